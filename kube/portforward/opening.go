package portforward

import (
	"context"
	"errors"
	"slices"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/spdy"
)

// advance takes a session with the next endpoint. cause is why there is need of a next.
func (c *connState) advance(ctx context.Context, cause error) error {
	for {
		c.mu.Lock()
		c.told = telling(c.told, cause)
		told := c.told
		if c.over != nil {
			c.mu.Unlock()
			return c.over
		}
		if len(c.rest) == 0 {
			renew := c.renew
			c.renew = nil
			c.mu.Unlock()
			if renew == nil || !c.renewed(renew(ctx, cause)) {
				return told
			}
			continue
		}
		ep := c.rest[0]
		c.rest = c.rest[1:]
		c.mu.Unlock()
		if err := c.pool.targets.refusal(ep, time.Now()); err != nil {
			cause = err
			continue
		}
		s, err := c.pool.acquire(ctx, ep)
		if err == nil {
			return c.use(&attempt{pool: c.pool, conn: c, ep: ep, s: s})
		}
		if ctx.Err() != nil || !elsewhere(err) {
			return err
		}
		cause = err
	}
}

// telling is the reason that says more of a target. That one of its Pods is gone says nothing of the others.
func telling(before, now error) error {
	var absent *fault.NotFound
	if before != nil && errors.As(now, &absent) && absent.Kind == fault.Pod {
		return before
	}
	return now
}

// renewed takes more endpoints. It says false if there are none.
func (c *connState) renewed(endpoints []Endpoint) bool {
	endpoints = slices.DeleteFunc(slices.Clone(endpoints), func(ep Endpoint) bool { return ep.check() != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest, c.again = endpoints, 0
	return len(endpoints) > 0
}

// use makes a the attempt, unless the connection was closed meanwhile.
func (c *connState) use(a *attempt) error {
	a.give() // before anyone can close it
	c.mu.Lock()
	over := c.over
	if over == nil {
		c.cur, c.settled, c.wake = a, false, time.Time{}
	}
	c.mu.Unlock()
	if over != nil {
		a.close()
	}
	return over
}

// open opens the attempt, if it is not, with the client's first bytes. opening is held.
func (c *connState) open(ctx context.Context, first []byte) (*attempt, error) {
	for {
		c.mu.Lock()
		a, over := c.cur, c.over
		if over != nil || a.data != nil {
			c.mu.Unlock()
			return a, over
		}
		a.asking = true
		c.mu.Unlock()
		streams, err := a.request(first)
		if over := c.asked(a, streams); over != nil {
			return nil, over
		}
		if err == nil {
			return a, nil
		}
		if err := c.replace(ctx, a, a.ending(err, len(first) > 0)); err != nil {
			return nil, c.end(err)
		}
	}
}

// asked takes note of what a request gave. If the connection was closed meanwhile, it ends the attempt.
func (c *connState) asked(a *attempt, streams []*spdy.Stream) error {
	c.mu.Lock()
	a.asking = false
	if len(streams) > 0 {
		a.errs, a.data, a.opened = streams[0], streams[1], time.Now()
		c.once.Do(func() { close(c.begun) })
	}
	closed := c.cur != a
	over := c.over
	c.mu.Unlock()
	if !closed {
		return nil
	}
	a.close()
	return over
}

// replace goes on to another attempt after a ended, if no program can have seen a byte, else gives the reason of the end.
// The new attempt is not open. opening is held.
func (c *connState) replace(ctx context.Context, a *attempt, end ending) error {
	now := time.Now()
	if end.endpoint {
		if !a.replied.IsZero() {
			c.pool.targets.late(now.Sub(a.replied))
		}
		c.pool.targets.refused(a.ep, end.err, now)
		c.pool.refused(a.ep, end.err)
	}
	c.mu.Lock()
	if c.cur != a || c.over != nil {
		over := c.over
		c.mu.Unlock()
		return over
	}
	wrote := end.unsent && len(c.kept) > 0 // since the end was explained
	if !end.unseen || wrote || c.spent || c.proven.Load() {
		c.mu.Unlock()
		if !c.proven.Load() {
			c.pool.targets.cut(a.ep, now)
		}
		return end.err
	}
	if !end.endpoint && c.again < retries {
		c.again++
		c.rest = append([]Endpoint{a.ep}, c.rest...)
	}
	c.cur = nil
	c.mu.Unlock()
	a.close()
	c.pool.redialled()
	err := c.advance(ctx, end.err)
	if err != nil && end.endpoint {
		c.pool.targets.disprove(a.ep)
	}
	return err
}

// attempt gives the opened attempt to a reader. It gives the client's first bytes a moment to come along.
func (c *connState) attempt() (*attempt, error) {
	if !c.isBegun() {
		timer := time.NewTimer(c.firstWrite())
		defer timer.Stop()
		select {
		case <-c.begun:
		case <-timer.C:
		case <-c.life.Done():
		}
	}
	c.mu.Lock()
	a, over := c.cur, c.over
	opened := a != nil && a.data != nil
	c.mu.Unlock()
	if over != nil || opened {
		return a, over
	}
	ctx, cancel := c.bounded()
	defer cancel()
	c.opening.Lock()
	defer c.opening.Unlock()
	return c.reopen(ctx)
}

// firstWrite is how long the opening waits for the client's first bytes to go with it.
func (c *connState) firstWrite() time.Duration {
	c.mu.Lock()
	a := c.cur
	c.mu.Unlock()
	if a == nil {
		return 0
	}
	return c.pool.targets.firstWrite(a.ep, time.Now())
}

func (c *connState) isBegun() bool {
	select {
	case <-c.begun:
		return true
	default:
		return false
	}
}

// reopen opens the attempt with all that was written so far. opening is held.
func (c *connState) reopen(ctx context.Context) (*attempt, error) {
	c.mu.Lock()
	kept := c.kept
	c.mu.Unlock()
	return c.open(ctx, kept)
}

// bounded is a context for dialling anew: the one of Dial is long over.
func (c *connState) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.life, c.pool.cfg.Dial)
}

// elsewhere says that another endpoint may do better.
func elsewhere(err error) bool {
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
