package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Opened says whether the target may be taken for connected: at once if it answered lately, else when it was accepted and
// no refusal came within a grace, or a byte came. Otherwise it gives the refusal, after the other endpoints were tried.
func (c *conn) Opened(ctx context.Context) error {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		c.mu.Lock()
		a, over := c.cur, c.over
		c.mu.Unlock()
		if over != nil {
			return over
		}
		if c.proven.Load() || a != nil && c.pool.targets.proven(a.ep, time.Now()) {
			return nil
		}
		c.opening.Lock()
		a, err := c.reopen(ctx)
		c.opening.Unlock()
		if err != nil {
			return err
		}
		done, err := c.confirm(ctx, a)
		if done {
			return err
		}
	}
}

// confirm waits for a sign that a is connected. It is not done when another attempt has taken a's place.
func (c *conn) confirm(ctx context.Context, a *attempt) (done bool, err error) {
	err = c.accepted(ctx, a)
	if err == nil && a.data.Progress().Ended == nil && a.data.Progress().Received == 0 {
		a.replied = time.Now()
		err = c.awaitRefusal(ctx, a)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return true, nil
		}
	}
	if err == nil {
		progress := a.data.Progress()
		if err = progress.Ended; progress.Received > 0 || err == nil {
			return true, nil
		}
	}
	end := c.ending(ctx, a, err)
	switch {
	case ctx.Err() != nil:
		return true, fmt.Errorf("port-forward to Pod %s/%s: %w", a.ep.Namespace, a.ep.Pod, ctx.Err())
	case end.err == io.EOF:
		return true, nil
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.replace(ctx, a, end); err != nil {
		return true, c.end(err)
	}
	return false, nil
}

// accepted waits until the runtime accepts a's streams, or something comes. An attempt that is not accepted in time is
// given up: by the rules of reads, where bytes were sent.
func (c *conn) accepted(ctx context.Context, a *attempt) error {
	for {
		now := time.Now()
		c.mu.Lock()
		next, given := c.health(a, now)
		c.mu.Unlock()
		if given != nil {
			return given
		}
		a.data.SetReadDeadline(next)
		err := a.data.WaitReply(ctx)
		if err == nil && !a.accepted() && a.data.Progress().Ended == nil {
			a.errs.SetReadDeadline(next)
			err = a.errs.WaitReply(ctx)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// awaitRefusal waits for a refusal after the runtime has accepted the stream. os.ErrDeadlineExceeded means that none came.
func (c *conn) awaitRefusal(ctx context.Context, a *attempt) error {
	slow := a.replied.Sub(a.opened) - c.pool.roundTrip()
	until := a.replied.Add(max(c.pool.targets.grace(c.pool.cfg.Grace), min(slow, maxGrace)))
	for {
		a.data.SetReadDeadline(until)
		err := a.data.WaitReadable(ctx)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) {
			return err
		}
	}
}
