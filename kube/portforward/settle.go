package portforward

import "time"

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
