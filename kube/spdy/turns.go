package spdy

import (
	"errors"
	"os"
	"slices"
	"time"
)

var errDeadline = os.ErrDeadlineExceeded

// A waiter is a caller that needs the session to read: a stream's reader, or Watch.
type waiter struct {
	wake     chan struct{} // holds a value after notify
	deadline time.Time
	timer    *time.Timer // calls notify at the deadline; only sleep uses it
}

// notify makes w check again what it waits for.
func (w *waiter) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// A turns decides which waiter reads the connection. At most one does; the others sleep until it stops, then one of
// them goes on.
type turns struct {
	session     *Session
	reader      *waiter // the one that reads now
	waiting     []*waiter
	watcher     *waiter
	interrupted bool      // the read was cut short on purpose
	armed       time.Time // the read deadline set on the connection
	stale       bool      // armed is not what is set any more
}

func (t *turns) notifyAll() {
	for _, w := range t.waiting {
		w.notify()
	}
}

// passOn lets another waiter read, if none does. Every waiter calls it when it leaves.
func (t *turns) passOn() {
	if t.reader == nil && len(t.waiting) > 0 {
		t.waiting[0].notify()
	}
}

// interrupt makes w check again what it waits for, even while it reads. The session's lock is held.
func (t *turns) interrupt(w *waiter) {
	if w == nil {
		return
	}
	if t.reader == w && !t.interrupted {
		t.interrupted = true
		_ = t.session.conn.SetReadDeadline(time.Unix(1, 0))
	}
	w.notify()
}

// step does one step towards what w waits for: it reads the connection a little, or sleeps until the waiter that reads
// has news. self is the stream that w reads for, nil if none, and p takes its payload; n bytes of it were read. The
// session's lock is held before and after, and released in between.
func (t *turns) step(w *waiter, self *Stream, p []byte) (n int, err error) {
	if t.session.err != nil {
		return 0, streamError(t.session.err)
	}
	if !w.deadline.IsZero() && !time.Now().Before(w.deadline) {
		return 0, errDeadline
	}
	if t.reader != nil || t.session.receiver.blockedBy != nil && t.session.receiver.blockedBy != self {
		t.sleep(w)
		return 0, nil
	}
	t.reader = w
	t.arm(w.deadline)
	n, err = t.session.receiver.step(self, p)
	t.reader = nil
	switch {
	case err == nil:
	case errors.Is(err, errDeadline):
		// The caller checks its own deadline next.
		t.stale = true
	default:
		t.session.failLocked(err)
		if n == 0 {
			return 0, streamError(t.session.err)
		}
	}
	return n, nil
}

// sleep waits until w is notified or its deadline passes.
func (t *turns) sleep(w *waiter) {
	t.waiting = append(t.waiting, w)
	deadline := w.deadline
	t.session.mu.Unlock()
	switch {
	case deadline.IsZero():
	case w.timer == nil:
		w.timer = time.AfterFunc(time.Until(deadline), w.notify)
	default:
		w.timer.Reset(time.Until(deadline))
	}
	<-w.wake
	if w.timer != nil {
		w.timer.Stop()
	}
	t.session.mu.Lock()
	t.waiting = slices.DeleteFunc(t.waiting, func(other *waiter) bool { return other == w })
}

// arm makes the connection's next read end at deadline or before. An earlier deadline that is set already stays: an
// early end costs nothing, but setting a deadline for each read would.
func (t *turns) arm(deadline time.Time) {
	if !t.stale && !t.interrupted {
		if t.armed.IsZero() && deadline.IsZero() {
			return
		}
		if !t.armed.IsZero() && (deadline.IsZero() || !t.armed.After(deadline)) {
			return
		}
	}
	t.stale, t.interrupted, t.armed = false, false, deadline
	_ = t.session.conn.SetReadDeadline(deadline)
}
