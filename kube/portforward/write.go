package portforward

import (
	"io"
	"slices"
	"time"
)

// A writer is the writing side of a connection.
type writer struct{ conn *connState }

// Write sends p. Until the Pod has answered, a failure after which the connection can go on at another endpoint is no
// error: what was written is sent again there, and the reader, or Opened, returns the final error.
func (w *writer) Write(p []byte) (int, error) {
	written := 0
	for !w.conn.proven.Load() {
		part := p[written:]
		part = part[:w.writable(part)]
		n, err := w.writeUnproven(part)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
		w.awaitSettled()
	}
	n, err := w.send(p[written:])
	return written + n, err
}

// writeUnproven is Write while the Pod has not answered.
func (w *writer) writeUnproven(p []byte) (int, error) {
	w.conn.opening.Lock()
	if w.conn.proven.Load() {
		w.conn.opening.Unlock()
		return w.send(p)
	}
	before, a, overflowed, err := w.remember(p)
	if err != nil {
		w.conn.opening.Unlock()
		return 0, err
	}
	if a == nil {
		ctx, cancel := w.conn.dialContext()
		_, err := w.conn.open(ctx, append(slices.Clip(before), p...))
		cancel()
		w.conn.opening.Unlock()
		if err != nil {
			return 0, err
		}
		return len(p), nil
	}
	// A write that is stuck must not keep the attempt from being replaced, or its end from being known.
	w.conn.opening.Unlock()
	if overflowed {
		return w.send(p)
	}
	_, _ = a.data.Write(p)
	return len(p), nil
}

// remember keeps p while it may have to be sent again. It returns what was kept before, the attempt if it is open, and
// whether there was too much to keep.
func (w *writer) remember(p []byte) (before []byte, a *attempt, overflowed bool, err error) {
	w.conn.mu.Lock()
	defer w.conn.mu.Unlock()
	if w.conn.endErr != nil {
		return nil, nil, false, w.conn.endErr
	}
	if a = w.conn.current; a != nil && a.data == nil {
		a = nil
	}
	before = w.conn.kept
	if w.conn.overflowed = w.conn.overflowed || len(before)+len(p) > maxKept; w.conn.overflowed {
		w.conn.kept = nil
	} else {
		w.conn.kept = append(before, p...)
	}
	return before, a, w.conn.overflowed, nil
}

// send sends p on the current attempt.
func (w *writer) send(p []byte) (int, error) {
	w.conn.mu.Lock()
	a, ended := w.conn.current, w.conn.endErr
	w.conn.mu.Unlock()
	if ended != nil {
		return 0, ended
	}
	a.wakeHealth()
	return a.data.Write(p)
}

// ReadFrom sends what it reads from r until io.EOF.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	b := make([]byte, 4<<10)
	for !w.conn.proven.Load() {
		n, err := r.Read(b)
		if n > 0 {
			n, failed := w.Write(b[:n])
			total += int64(n)
			if failed != nil {
				return total, failed
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	w.conn.mu.Lock()
	a, ended := w.conn.current, w.conn.endErr
	w.conn.mu.Unlock()
	if ended != nil {
		return total, ended
	}
	n, err := a.data.ReadFrom(healthReader{r, a})
	return total + n, err
}

// settleInterval is how often a writer checks whether its target is connected. It does so once in a connection, and
// only if much is written before the Pod has answered.
const settleInterval = 2 * time.Millisecond

// awaitSettled waits, before more is written than is kept, until the attempt may be taken for connected: accepted, and
// not refused within a grace. If a refusal comes first, the reader continues at another endpoint, with all that was
// written.
func (w *writer) awaitSettled() {
	ticker := time.NewTicker(settleInterval)
	defer ticker.Stop()
	var at *attempt
	var accepted time.Time
	for end := time.Now().Add(silenceTimeout); ; {
		w.conn.mu.Lock()
		a, ended, retried := w.conn.current, w.conn.endErr, w.conn.retried
		asked := a != nil && a.data != nil
		w.conn.mu.Unlock()
		now := time.Now()
		if ended != nil || w.conn.proven.Load() {
			return
		}
		if a != at {
			at, accepted = a, time.Time{}
		}
		if asked && a.data.Progress().Replied && accepted.IsZero() {
			accepted = now
		}
		settled := !accepted.IsZero() && now.Sub(accepted) > a.refusedWithin(now) && a.data.Progress().Ended == nil && a.errs.Text() == ""
		if settled || now.After(end) {
			w.conn.mu.Lock()
			w.conn.settled = w.conn.current == a && w.conn.retried == retried
			settled = w.conn.settled
			w.conn.mu.Unlock()
			if settled {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-w.conn.ctx.Done():
			return
		}
	}
}

// knownGrace is the shortest time that a writer waits for a refusal of a target that answered recently.
const knownGrace = 5 * time.Millisecond

// refusedWithin returns how long after its acceptance an attempt may still be refused. It is shorter for a target that
// answered recently, since every large upload to it waits.
func (a *attempt) refusedWithin(now time.Time) time.Duration {
	least := a.pool.cfg.Grace
	if a.pool.targets.proven(a.ep, now) {
		least = min(least, knownGrace)
	}
	return a.pool.targets.grace(least)
}

// writable returns how much of p may be written now: all of it, or as much as is kept until the attempt has settled.
func (w *writer) writable(p []byte) int {
	w.conn.mu.Lock()
	defer w.conn.mu.Unlock()
	if w.conn.settled || w.conn.overflowed || w.conn.endErr != nil {
		return len(p)
	}
	return min(len(p), maxKept-len(w.conn.kept))
}
