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

// A reader is the reading side of a connection.
type reader struct {
	conn *connState
	// reading is held by the caller that reads. It is taken before the locks of conn.
	reading sync.Mutex
}

// Read reads what the Pod sends: io.EOF is its orderly end, everything else a connection that was cut. It is also what
// passes the client's half-close on in time, and finds out that a session is dead.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	return r.next(p)
}

// WaitRead waits until Read would answer at once. It needs no buffer; what there is to say Read says.
func (r *reader) WaitRead() {
	r.reading.Lock()
	defer r.reading.Unlock()
	_, _ = r.next(nil) // Read gives it again
}

// copyBuffer is what a copy holds while bytes are on the move.
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
		if err == io.EOF {
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

// A bufferPool lends the buffers of copies.
type bufferPool struct{ sync.Pool }

func (p *bufferPool) lend() *[copyBuffer]byte {
	if b, ok := p.Get().(*[copyBuffer]byte); ok {
		return b
	}
	return new([copyBuffer]byte)
}

// next reads into p, or waits until it could if p is nil. reading is held.
func (r *reader) next(p []byte) (int, error) {
	for {
		a, err := r.conn.attempt()
		if err != nil {
			return 0, err
		}
		given, err := r.due(a, time.Now())
		if err != nil {
			return 0, err
		}
		n := 0
		switch {
		case given != nil:
			err = given
		case p == nil:
			if err = a.data.WaitReadable(context.Background()); err == nil {
				return 0, nil
			}
		default:
			if n, err = a.data.Read(p); n > 0 {
				r.came(a, n)
				return n, nil
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err := r.ended(a, err); err != nil {
			return 0, err
		}
	}
}

// came takes note of bytes from the Pod.
func (r *reader) came(a *attempt, n int) {
	now := time.Now()
	a.pace.took(n, now)
	r.conn.prove(a, now)
	r.conn.mu.Lock()
	r.conn.heard = now
	r.conn.mu.Unlock()
}

// prove marks that the Pod has answered.
func (c *connState) prove(a *attempt, now time.Time) {
	if c.proven.Load() {
		return
	}
	c.proven.Store(true)
	if c.pool.targets.answered(a.ep, c.wrote(), now) {
		c.pool.proved(now)
	}
	c.mu.Lock()
	c.kept, c.rest, c.renew, c.told = nil, nil, nil, nil // there is no next attempt
	c.mu.Unlock()
}

// ended explains the end of an attempt, or goes on to another.
func (r *reader) ended(a *attempt, err error) error {
	if r.conn.life.Err() != nil {
		return net.ErrClosed
	}
	end := a.explain(r.conn.life, err)
	if r.conn.life.Err() != nil {
		return net.ErrClosed
	}
	if end.err == io.EOF {
		r.conn.prove(a, time.Now())
		return io.EOF
	}
	if r.conn.proven.Load() {
		return r.conn.end(end.err)
	}
	ctx, cancel := r.conn.bounded()
	defer cancel()
	r.conn.opening.Lock()
	defer r.conn.opening.Unlock()
	if err := r.conn.replace(ctx, a, end); err != nil {
		return r.conn.end(err)
	}
	_, err = r.conn.reopen(ctx)
	return err
}

// due does what its time has come for, and sets the stream's read deadline to when to look again. given is why the attempt
// is to be given up, nil if it is not.
func (r *reader) due(a *attempt, now time.Time) (given, err error) {
	r.conn.mu.Lock()
	if r.conn.over != nil {
		defer r.conn.mu.Unlock()
		return nil, r.conn.over
	}
	if !r.conn.deadline.IsZero() && !now.Before(r.conn.deadline) {
		r.conn.mu.Unlock()
		return nil, os.ErrDeadlineExceeded
	}
	if now.Before(r.conn.wake) {
		r.conn.mu.Unlock()
		return nil, nil
	}
	fin := r.conn.finish(now)
	wake, given := a.health(now)
	if given != nil {
		r.conn.mu.Unlock()
		return given, nil
	}
	if !r.conn.half.IsZero() && !r.conn.finished {
		wake = earlier(wake, later(r.conn.half, r.conn.heard).Add(r.conn.pool.cfg.Quiet))
	}
	r.conn.wake = earlier(wake, r.conn.deadline)
	a.data.SetReadDeadline(r.conn.wake)
	r.conn.mu.Unlock()
	if fin {
		a.data.CloseWrite() // the read that follows explains a session's end
	}
	return nil, nil
}

// finish says whether the client's half-close is to be passed on now. mu is held.
func (c *connState) finish(now time.Time) bool {
	if c.half.IsZero() || c.finished || now.Sub(later(c.half, c.heard)) < c.pool.cfg.Quiet {
		return false
	}
	c.finished = true
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
