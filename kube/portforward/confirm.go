package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
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
		if c.proven.Load() || a != nil && c.f.targets.proven(a.ep, time.Now()) {
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
	rtt := a.s.State().RTT
	a.data.SetReadDeadline(a.opened.Add(deadline(rtt)))
	err = a.data.WaitReply(ctx)
	if err == nil && a.data.Progress().Ended == nil && a.data.Progress().Received == 0 {
		a.replied = time.Now()
		slow := max(0, a.replied.Sub(a.opened)-c.f.roundTrip())
		a.data.SetReadDeadline(a.replied.Add(max(c.f.targets.grace(c.f.cfg.Grace), min(2*slow, maxGrace))))
		err = a.data.WaitReadable(ctx)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return true, nil
		}
	}
	if ctx.Err() != nil {
		return true, fmt.Errorf("port-forward to Pod %s/%s: %w", a.ep.Namespace, a.ep.Pod, ctx.Err())
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if c.wrote() {
			return true, nil // whoever reads will find out
		}
		c.f.silent(a.s)
		a.s.CloseWith(errSilent)
		err = errSilent
	}
	if err == nil {
		progress := a.data.Progress()
		if err = progress.Ended; progress.Received > 0 || err == nil {
			return true, nil
		}
	}
	end := a.ending(err, c.wrote())
	if end.err == io.EOF {
		return true, nil
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.replace(ctx, a, end); err != nil {
		return true, c.end(err)
	}
	return false, nil
}

var errSilent = fmt.Errorf("the session does not answer: %w", syscall.ETIMEDOUT)
