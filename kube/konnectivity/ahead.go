package konnectivity

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Konnectivity server waits for each client in turn while it hands on what an agent sends: a client that does not read
// holds up every connection of that agent. So what comes is always read, into memory.
const (
	// aheadOfOne and aheadOfAll bound what waits for the readers, of one connection and of all, in bytes. Above aheadOfAll a
	// connection still gets aheadAtLeast.
	aheadOfOne, aheadOfAll, aheadAtLeast = 16 << 20, 64 << 20, 64 << 10
	// stalledFor is how long a connection whose share is full may go unread before it is cut, so that it holds up the others
	// no longer.
	stalledFor = 5 * time.Second
	partSize   = 32 << 10
)

// ahead has what was read of a connection and waits for its reader.
type ahead struct {
	total *atomic.Int64 // of all connections of the Tunnel

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when something changed
	waiting  bool          // somebody waits for changed
	parts    []part
	size     int
	err      error // after parts
	deadline time.Time
	closed   bool
}

// A part is bytes of a block, which is used again after them.
type part struct {
	rest  []byte
	block *[]byte
}

// blocks has blocks of partSize.
var blocks = sync.Pool{New: func() any { b := make([]byte, partSize); return &b }}

func newAhead(total *atomic.Int64) *ahead { return &ahead{total: total, changed: make(chan struct{})} }

// signal wakes those who wait. The caller holds the mutex.
func (a *ahead) signal() {
	if !a.waiting {
		return
	}
	a.waiting = false
	close(a.changed)
	a.changed = make(chan struct{})
}

// fill reads from until it ends or the connection is closed. It returns whether the connection has to be cut.
func (a *ahead) fill(from io.Reader) (stalled bool) {
	for {
		block := blocks.Get().(*[]byte)
		n, err := from.Read(*block)
		a.mu.Lock()
		if n > 0 && !a.closed {
			a.parts, a.size = append(a.parts, part{(*block)[:n], block}), a.size+n
			a.total.Add(int64(n))
		}
		if err != nil {
			a.err = err
		}
		a.signal()
		closed := a.closed
		a.mu.Unlock()
		if err != nil || closed {
			return false
		}
		if !a.awaitRoom() {
			return true
		}
	}
}

// awaitRoom waits until there is room for a part. It returns false if the reader has taken nothing for stalledFor.
func (a *ahead) awaitRoom() bool {
	for {
		a.mu.Lock()
		size, changed := a.size, a.changed
		if a.closed || size < aheadAtLeast || size < aheadOfOne && a.total.Load() < aheadOfAll {
			a.mu.Unlock()
			return true
		}
		a.waiting = true
		a.mu.Unlock()
		timer := time.NewTimer(stalledFor)
		select {
		case <-changed:
			timer.Stop()
		case <-timer.C:
			a.mu.Lock()
			a.err = &net.OpError{Op: "read", Net: "konnectivity", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
			a.signal()
			a.mu.Unlock()
			return false
		}
	}
}

// Read takes what waits.
func (a *ahead) Read(p []byte) (int, error) {
	for {
		a.mu.Lock()
		switch {
		case a.closed:
			a.mu.Unlock()
			return 0, net.ErrClosed
		case !a.deadline.IsZero() && !time.Now().Before(a.deadline):
			a.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case a.size > 0:
			defer a.mu.Unlock()
			return a.take(p), nil
		case a.err != nil:
			defer a.mu.Unlock()
			return 0, a.err
		}
		changed, deadline := a.changed, a.deadline
		a.waiting = true
		a.mu.Unlock()
		if deadline.IsZero() {
			<-changed
			continue
		}
		timer := time.NewTimer(time.Until(deadline))
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take copies from the parts. The caller holds the mutex.
func (a *ahead) take(p []byte) (n int) {
	for n < len(p) && len(a.parts) > 0 {
		m := copy(p[n:], a.parts[0].rest)
		n += m
		if a.parts[0].rest = a.parts[0].rest[m:]; len(a.parts[0].rest) == 0 {
			blocks.Put(a.parts[0].block)
			a.parts[0] = part{}
			a.parts = a.parts[1:]
		}
	}
	a.size -= n
	a.total.Add(-int64(n))
	a.signal()
	return n
}

// setDeadline sets when Read gives up.
func (a *ahead) setDeadline(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline = t
	a.signal()
}

// close drops what waits.
func (a *ahead) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.total.Add(-int64(a.size))
	a.closed, a.parts, a.size = true, nil, 0
	a.signal()
}
