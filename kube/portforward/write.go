package portforward

import (
	"io"
	"slices"
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
	before, a, spent, err := w.remember(p)
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
	if spent {
		return w.send(p)
	}
	_, _ = a.data.Write(p)
	return len(p), nil
}

// remember keeps p while it may have to be sent again. before is what was kept so far, a the attempt if it is open.
func (w *writer) remember(p []byte) (before []byte, a *attempt, spent bool, err error) {
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

// send sends p on the last attempt.
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

// ReadFrom sends what it reads from from until its end.
func (w *writer) ReadFrom(from io.Reader) (int64, error) {
	var total int64
	b := make([]byte, 4<<10)
	for !w.conn.proven.Load() {
		n, err := from.Read(b)
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
	n, err := a.data.ReadFrom(healthReader{from, a})
	return total + n, err
}
