package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Opened waits until the target may be taken for connected: at once if it answered recently, else when it was accepted
// and no refusal came within the grace, or a byte came. Otherwise it returns the refusal, after the other endpoints
// were tried.
func (r *reader) Opened(ctx context.Context) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	for {
		r.conn.mu.Lock()
		a, ended := r.conn.current, r.conn.endErr
		r.conn.mu.Unlock()
		if ended != nil {
			return ended
		}
		if r.conn.proven.Load() || a != nil && r.conn.pool.targets.proven(a.ep, time.Now()) {
			return nil
		}
		r.conn.opening.Lock()
		a, err := r.conn.openWithKept(ctx)
		r.conn.opening.Unlock()
		if err != nil {
			return err
		}
		done, err := r.confirm(ctx, a)
		if done {
			return err
		}
	}
}

// confirm waits for a sign that a is connected. It is not done if another attempt has replaced a.
func (r *reader) confirm(ctx context.Context, a *attempt) (done bool, err error) {
	err = a.awaitAcceptance(ctx)
	if err == nil && a.data.Progress().Ended == nil && a.data.Progress().Received == 0 {
		a.acceptedAt = time.Now()
		err = a.awaitRefusal(ctx)
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
	end := a.explainEnd(ctx, err)
	switch {
	case ctx.Err() != nil:
		return true, fmt.Errorf("port-forward to Pod %s/%s: %w", a.ep.Namespace, a.ep.Pod, ctx.Err())
	case errors.Is(end.err, io.EOF):
		return true, nil
	}
	r.conn.opening.Lock()
	defer r.conn.opening.Unlock()
	if err := r.conn.replace(ctx, a, end); err != nil {
		return true, r.conn.fail(err)
	}
	return false, nil
}

// awaitAcceptance waits until the runtime accepts a's streams, or something comes. An attempt that is not accepted in
// time is given up. If bytes were sent, that is decided as for reads.
func (a *attempt) awaitAcceptance(ctx context.Context) error {
	for {
		now := time.Now()
		a.conn.mu.Lock()
		next, giveUp := a.health(now)
		a.conn.mu.Unlock()
		if giveUp != nil {
			return giveUp
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

// awaitRefusal waits for a refusal after the runtime has accepted the streams. It returns os.ErrDeadlineExceeded if
// none came.
func (a *attempt) awaitRefusal(ctx context.Context) error {
	slow := a.acceptedAt.Sub(a.opened) - a.pool.roundTrip()
	until := a.acceptedAt.Add(max(a.pool.targets.grace(a.pool.cfg.Grace), min(slow, maxGrace)))
	for {
		a.data.SetReadDeadline(until)
		err := a.data.WaitReadable(ctx)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) {
			return err
		}
	}
}
