package portforward

import (
	"context"
	"errors"
	"slices"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/spdy"
)

// advance takes a session with the next endpoint. cause is why the last attempt ended, nil for the first.
func (c *connState) advance(ctx context.Context, cause error) error {
	for {
		c.mu.Lock()
		c.reason = moreTelling(c.reason, cause)
		reason := c.reason
		if c.endErr != nil {
			c.mu.Unlock()
			return c.endErr
		}
		if len(c.untried) == 0 {
			renew := c.renew
			c.renew = nil
			c.mu.Unlock()
			if renew == nil || !c.addEndpoints(renew(ctx, cause)) {
				return reason
			}
			continue
		}
		ep := c.untried[0]
		c.untried = c.untried[1:]
		c.mu.Unlock()
		if err := c.pool.targets.lastRefusal(ep, time.Now()); err != nil {
			cause = err
			continue
		}
		s, err := c.pool.acquire(ctx, ep)
		if err == nil {
			return c.use(&attempt{pool: c.pool, conn: c, ep: ep, session: s})
		}
		if ctx.Err() != nil || !mayTryElsewhere(err) {
			return err
		}
		cause = err
	}
}

// moreTelling returns the reason that tells more of a target. That one of its Pods is gone tells nothing of the others.
func moreTelling(before, now error) error {
	var absent *fault.NotFound
	if before != nil && errors.As(now, &absent) && absent.Kind == fault.Pod {
		return before
	}
	return now
}

// addEndpoints adds endpoints to try. It reports false if there are none.
func (c *connState) addEndpoints(endpoints []Endpoint) bool {
	endpoints = slices.DeleteFunc(slices.Clone(endpoints), func(ep Endpoint) bool { return checkEndpoint(ep) != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.untried, c.retried = endpoints, 0
	return len(endpoints) > 0
}

// use makes a the current attempt, unless the connection was closed meanwhile.
func (c *connState) use(a *attempt) error {
	a.attach() // before the connection can close it
	c.mu.Lock()
	ended := c.endErr
	if ended == nil {
		c.current, c.settled, c.recheckAt = a, false, time.Time{}
	}
	c.mu.Unlock()
	if ended != nil {
		a.close()
	}
	return ended
}

// open opens the current attempt, if it is not open, with the client's first bytes. opening is held.
func (c *connState) open(ctx context.Context, first []byte) (*attempt, error) {
	for {
		c.mu.Lock()
		a, ended := c.current, c.endErr
		if ended != nil || a.data != nil {
			c.mu.Unlock()
			return a, ended
		}
		a.requesting = true
		c.mu.Unlock()
		streams, err := a.request(first)
		if ended := c.recordStreams(a, streams); ended != nil {
			return nil, ended
		}
		if err == nil {
			return a, nil
		}
		if err := c.replace(ctx, a, a.classifyEnd(err, len(first) > 0)); err != nil {
			return nil, c.fail(err)
		}
	}
}

// recordStreams stores the streams that a request returned. If the connection was closed meanwhile, it ends the
// attempt.
func (c *connState) recordStreams(a *attempt, streams []*spdy.Stream) error {
	c.mu.Lock()
	a.requesting = false
	if len(streams) > 0 {
		a.errs, a.data, a.opened = streams[0], streams[1], time.Now()
		c.beginOnce.Do(func() { close(c.begun) })
	}
	closed := c.current != a
	ended := c.endErr
	c.mu.Unlock()
	if !closed {
		return nil
	}
	a.close()
	return ended
}

// replace begins another attempt after a ended, if no program can have seen a byte. Otherwise it returns why a ended.
// The new attempt is not open. opening is held.
func (c *connState) replace(ctx context.Context, a *attempt, end ending) error {
	now := time.Now()
	if end.endpoint {
		if !a.acceptedAt.IsZero() {
			c.pool.targets.observeLateRefusal(now.Sub(a.acceptedAt))
		}
		c.pool.targets.markRefused(a.ep, end.err, now)
		c.pool.failWaiting(a.ep, end.err)
	}
	c.mu.Lock()
	if c.current != a || c.endErr != nil {
		ended := c.endErr
		c.mu.Unlock()
		return ended
	}
	wrote := end.unsent && len(c.kept) > 0 // they were written after end was determined
	if !end.unseen || wrote || c.overflowed || c.proven.Load() {
		c.mu.Unlock()
		if !c.proven.Load() {
			c.pool.targets.markCut(a.ep, now)
		}
		return end.err
	}
	if !end.endpoint && c.retried < maxRetries {
		c.retried++
		c.untried = append([]Endpoint{a.ep}, c.untried...)
	}
	c.current = nil
	c.mu.Unlock()
	a.close()
	c.pool.countRedial()
	err := c.advance(ctx, end.err)
	if err != nil && end.endpoint {
		c.pool.targets.forget(a.ep)
	}
	return err
}

// openedAttempt returns the current attempt, opened. Before it opens one without the client's first bytes, it waits a
// moment for them.
func (c *connState) openedAttempt() (*attempt, error) {
	if !c.hasBegun() {
		timer := time.NewTimer(c.firstWriteWait())
		defer timer.Stop()
		select {
		case <-c.begun:
		case <-timer.C:
		case <-c.ctx.Done():
		}
	}
	c.mu.Lock()
	a, ended := c.current, c.endErr
	opened := a != nil && a.data != nil
	c.mu.Unlock()
	if ended != nil || opened {
		return a, ended
	}
	ctx, cancel := c.dialContext()
	defer cancel()
	c.opening.Lock()
	defer c.opening.Unlock()
	return c.openWithKept(ctx)
}

// firstWriteWait returns how long the opening waits for the client's first bytes.
func (c *connState) firstWriteWait() time.Duration {
	c.mu.Lock()
	a := c.current
	c.mu.Unlock()
	if a == nil {
		return 0
	}
	return c.pool.targets.firstWriteWait(a.ep, time.Now())
}

// hasBegun reports whether an attempt was opened.
func (c *connState) hasBegun() bool {
	select {
	case <-c.begun:
		return true
	default:
		return false
	}
}

// openWithKept opens the current attempt with all that was written so far. opening is held.
func (c *connState) openWithKept(ctx context.Context) (*attempt, error) {
	c.mu.Lock()
	kept := c.kept
	c.mu.Unlock()
	return c.open(ctx, kept)
}

// dialContext returns a context for another dial. The one of Dial has ended long before.
func (c *connState) dialContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, c.pool.cfg.Dial)
}

// mayTryElsewhere reports whether another endpoint may not have this error.
func mayTryElsewhere(err error) bool {
	var (
		login       *fault.Login
		forbidden   *fault.Forbidden
		unreachable *fault.Unreachable
		machine     *fault.Machine
		answered    *refusal
	)
	switch {
	case errors.As(err, &login), errors.As(err, &forbidden), errors.As(err, &machine):
		return false
	case errors.As(err, &unreachable):
		return errors.As(err, &answered) // the API server is there, the Pod's node is not
	}
	return true
}
