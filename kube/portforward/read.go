package portforward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A reader is the reading side of a connection. It also passes the client's half-close on in time, and notices that a
// session is dead.
type reader struct {
	conn *connState
	// reading is held by the caller that reads. It is taken before the locks of conn.
	reading sync.Mutex
}

// Read reads what the Pod sends. It returns io.EOF at an orderly end, and another error if the connection was cut.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	return r.next(p)
}

// WaitRead waits until Read would return at once. It needs no buffer. An error is left to Read.
func (r *reader) WaitRead() {
	r.reading.Lock()
	defer r.reading.Unlock()
	_, _ = r.next(nil)
}

// copyBuffer is the size of the buffer that a copy holds while bytes flow.
const copyBuffer = 32 << 10

// WriteTo copies what the Pod sends to w until its end. It holds a buffer only while there is something to copy.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	var total int64
	for {
		_, err := r.next(nil)
		if err == nil {
			var n int
			n, err = r.copyOnce(w)
			total += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

func (r *reader) copyOnce(w io.Writer) (int, error) {
	b := r.conn.pool.buffers.lend()
	defer r.conn.pool.buffers.Put(b)
	n, err := r.next(b[:])
	if n > 0 {
		if written, failed := w.Write(b[:n]); failed != nil {
			return written, failed
		}
	}
	return n, err
}

// A bufferPool holds the buffers of copies.
type bufferPool struct{ sync.Pool }

func (p *bufferPool) lend() *[copyBuffer]byte {
	if b, ok := p.Get().(*[copyBuffer]byte); ok {
		return b
	}
	return new([copyBuffer]byte)
}

// next reads into p or, if p is nil, waits until it could read. reading is held.
func (r *reader) next(p []byte) (int, error) {
	for {
		a, err := r.conn.openedAttempt()
		if err != nil {
			return 0, err
		}
		giveUp, err := r.checkTimers(a, time.Now())
		if err != nil {
			return 0, err
		}
		n := 0
		switch {
		case giveUp != nil:
			err = giveUp
		case p == nil:
			if err = a.data.WaitReadable(context.Background()); err == nil {
				return 0, nil
			}
		default:
			if n, err = a.data.Read(p); n > 0 {
				r.received(a, n)
				return n, nil
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err := r.attemptEnded(a, err); err != nil {
			return 0, err
		}
	}
}

// received records bytes from the Pod.
func (r *reader) received(a *attempt, n int) {
	now := time.Now()
	a.pace.add(n, now)
	r.conn.markProven(a, now)
	r.conn.mu.Lock()
	r.conn.lastByteAt = now
	r.conn.mu.Unlock()
}

// markProven records that the Pod has answered.
func (c *connState) markProven(a *attempt, now time.Time) {
	if c.proven.Load() {
		return
	}
	c.proven.Store(true)
	if c.pool.targets.markAnswered(&a.ep, c.hasWritten(), now) {
		c.pool.serveAll(now)
	}
	c.mu.Lock()
	c.kept, c.untried, c.renew, c.reason = nil, nil, nil, nil // there is no next attempt
	c.mu.Unlock()
}

// attemptEnded starts another attempt after the end of one, or returns the error that the connection ends with.
func (r *reader) attemptEnded(a *attempt, err error) error {
	c := r.conn
	if c.ctx.Err() != nil {
		return net.ErrClosed
	}
	end := a.explainEnd(c.ctx, err)
	if c.ctx.Err() != nil {
		return net.ErrClosed
	}
	if errors.Is(end.err, io.EOF) {
		c.markProven(a, time.Now())
		return io.EOF
	}
	if c.proven.Load() {
		return c.fail(end.err)
	}
	ctx, cancel := c.dialContext()
	defer cancel()
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.replace(ctx, a, end); err != nil {
		return c.fail(err)
	}
	_, err = c.openWithKept(ctx)
	return err
}

// checkTimers does what is due, and sets the stream's read deadline to the time of the next check. giveUp is the reason
// for giving up the attempt, or nil.
func (r *reader) checkTimers(a *attempt, now time.Time) (giveUp, err error) {
	c := r.conn
	c.mu.Lock()
	if c.endErr != nil {
		defer c.mu.Unlock()
		return nil, c.endErr
	}
	if !c.deadline.IsZero() && !now.Before(c.deadline) {
		c.mu.Unlock()
		return nil, os.ErrDeadlineExceeded
	}
	if now.Before(c.recheckAt) {
		c.mu.Unlock()
		return nil, nil
	}
	fin := c.halfCloseDue(now)
	wake, giveUp := a.health(now)
	if giveUp != nil {
		c.mu.Unlock()
		return giveUp, nil
	}
	if !c.halfClosedAt.IsZero() && !c.halfClosePassed {
		wake = earlier(wake, later(c.halfClosedAt, c.lastByteAt).Add(c.pool.cfg.Quiet))
	}
	c.recheckAt = earlier(wake, c.deadline)
	a.data.SetReadDeadline(c.recheckAt)
	c.mu.Unlock()
	if fin {
		_ = a.data.CloseWrite() // the next read returns an error
	}
	return nil, nil
}

// halfCloseDue reports whether the client's half-close must be passed on now, and records that it was. mu is held.
func (c *connState) halfCloseDue(now time.Time) bool {
	if c.halfClosedAt.IsZero() || c.halfClosePassed || now.Sub(later(c.halfClosedAt, c.lastByteAt)) < c.pool.cfg.Quiet {
		return false
	}
	c.halfClosePassed = true
	return true
}
