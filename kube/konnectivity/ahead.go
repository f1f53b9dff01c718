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
// holds up every connection of that agent. So whatever comes is read at once, and waits in memory.
const (
	// aheadOfOne and aheadOfAll bound what waits for the readers, of one connection and of all, in bytes. Above aheadOfAll a
	// connection still gets aheadAtLeast.
	aheadOfOne, aheadOfAll, aheadAtLeast = 16 << 20, 64 << 20, 64 << 10
	// stalledFor is how long the reader of a connection whose share is full may take to read a part before the connection is
	// cut, so that it holds up the others no longer.
	stalledFor = 5 * time.Second
	partSize   = 32 << 10
)

// A budget counts the bytes that wait for the readers of all connections of a Carrier.
type budget struct {
	used atomic.Int64

	mu    sync.Mutex
	freed chan struct{} // closed when there is room again; nil while no connection waits for that
}

func (b *budget) hasRoom() bool { return b.used.Load() < aheadOfAll }

func (b *budget) add(n int) { b.used.Add(int64(n)) }

// release subtracts bytes that no longer wait.
func (b *budget) release(n int) {
	if after := b.used.Add(-int64(n)); after >= aheadOfAll || after+int64(n) < aheadOfAll {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}

// room returns a channel that is closed when there is room again. The caller calls hasRoom after it, so that no
// change is missed.
func (b *budget) room() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed == nil {
		b.freed = make(chan struct{})
	}
	return b.freed
}

// A readAhead holds what was read from a connection and waits for its reader.
type readAhead struct {
	total *budget

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when something changed
	waiting  bool          // a caller waits for changed
	parts    []part
	size     int
	taken    int64 // by the reader
	err      error // after parts
	deadline time.Time
	closed   bool
}

// A part is bytes of a block, which goes back to blocks once they are read.
type part struct {
	rest  []byte
	block *[]byte
}

// blocks holds unused blocks of partSize bytes.
var blocks = sync.Pool{New: func() any { b := make([]byte, partSize); return &b }}

func newReadAhead(total *budget) *readAhead {
	return &readAhead{total: total, changed: make(chan struct{})}
}

// signal wakes the callers that wait. The caller holds the mutex.
func (a *readAhead) signal() {
	if !a.waiting {
		return
	}
	a.waiting = false
	close(a.changed)
	a.changed = make(chan struct{})
}

// fill reads from until it ends or the connection is closed. It reports whether the connection has to be cut.
func (a *readAhead) fill(from io.Reader) (stalled bool) {
	for {
		block := blocks.Get().(*[]byte)
		n, err := from.Read(*block)
		a.mu.Lock()
		if n > 0 && !a.closed {
			a.parts, a.size = append(a.parts, part{(*block)[:n], block}), a.size+n
			a.total.add(n)
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

// awaitRoom waits until there is room for a part. It returns false if there is none because the reader has not read even a
// part for stalledFor. Then Read fails.
func (a *readAhead) awaitRoom() bool {
	room, _, began := a.checkRoom()
	if room {
		return true
	}
	period := time.NewTimer(stalledFor)
	defer period.Stop()
	for {
		freed := a.total.room()
		room, changed, taken := a.checkRoom()
		if room {
			return true
		}
		if taken-began >= partSize {
			began = taken
			period.Reset(stalledFor)
		}
		select {
		case <-changed:
		case <-freed:
		case <-period.C:
			return !a.cut()
		}
	}
}

// checkRoom reports whether there is room for a part. It also returns a channel that is closed when the reader may have
// changed that, and how much the reader has taken.
func (a *readAhead) checkRoom() (room bool, changed <-chan struct{}, taken int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if room = a.hasRoom(); !room {
		a.waiting = true
	}
	return room, a.changed, a.taken
}

// hasRoom reports whether there is room for a part. The caller holds the mutex.
func (a *readAhead) hasRoom() bool {
	return a.closed || a.size < aheadAtLeast || a.size < aheadOfOne && a.total.hasRoom()
}

// cut makes Read fail after what waits, unless there is room by now. It reports whether it did.
func (a *readAhead) cut() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hasRoom() {
		return false
	}
	a.err = &net.OpError{Op: "read", Net: "konnectivity", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	a.signal()
	return true
}

// Read takes what waits.
func (a *readAhead) Read(p []byte) (int, error) {
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
func (a *readAhead) take(p []byte) (n int) {
	for n < len(p) && len(a.parts) > 0 {
		m := copy(p[n:], a.parts[0].rest)
		n += m
		if a.parts[0].rest = a.parts[0].rest[m:]; len(a.parts[0].rest) == 0 {
			blocks.Put(a.parts[0].block)
			a.parts[0] = part{}
			a.parts = a.parts[1:]
		}
	}
	a.size, a.taken = a.size-n, a.taken+int64(n)
	a.total.release(n)
	a.signal()
	return n
}

// setDeadline sets when Read gives up.
func (a *readAhead) setDeadline(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline = t
	a.signal()
}

// close drops what waits.
func (a *readAhead) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.total.release(a.size)
	a.closed, a.parts, a.size = true, nil, 0
	a.signal()
}
