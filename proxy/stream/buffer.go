package stream

import (
	"io"
	"sync"
)

const (
	idleBuffer = 2 << 10  // for what comes after a pause
	busyBuffer = 64 << 10 // for a direction that moves more than that at once
)

var (
	idleBuffers = sync.Pool{New: func() any { return new([idleBuffer]byte) }}
	busyBuffers = sync.Pool{New: func() any { return new([busyBuffer]byte) }}
)

// A Buffer is what is read into from one connection: it has a large one while much comes, else a small one, and none while
// nothing does, where that can be waited for without. One goroutine uses it: Next, a read, Used, and again; Release at the
// end.
type Buffer struct {
	wait   func() // waits until there is something to read; nil where only a read can
	small  *[idleBuffer]byte
	large  *[busyBuffer]byte
	buffer []byte // the one of them that is in use
}

// NewBuffer returns a Buffer for reads from src.
func NewBuffer(src io.Reader) Buffer { return Buffer{wait: ReadWaiter(src)} }

// Next returns the buffer to read into, when there is something to read.
func (b *Buffer) Next() []byte {
	switch {
	case b.large != nil:
		b.buffer = b.large[:]
	case b.small == nil && b.wait != nil:
		b.wait()
		fallthrough
	case b.small == nil:
		b.small = idleBuffers.Get().(*[idleBuffer]byte)
		fallthrough
	default:
		b.buffer = b.small[:]
	}
	return b.buffer
}

// Used chooses the next buffer by how much came. What Next returned is not the caller's any more.
func (b *Buffer) Used(n int) {
	switch {
	case b.large == nil && n == idleBuffer:
		b.large = busyBuffers.Get().(*[busyBuffer]byte)
	case b.large != nil && n <= idleBuffer:
		busyBuffers.Put(b.large)
		b.large = nil
	}
	if b.wait != nil && b.small != nil {
		idleBuffers.Put(b.small)
		b.small = nil
	}
}

// Release frees the memory.
func (b *Buffer) Release() {
	if b.large != nil {
		busyBuffers.Put(b.large)
	}
	if b.small != nil {
		idleBuffers.Put(b.small)
	}
	b.large, b.small = nil, nil
}

// ReadWaiter returns a function that waits until a read of src would return something, or nil if there is no such wait.
// What the read returns, only the read says. A connection around another one has a method of that name.
func ReadWaiter(src io.Reader) func() {
	switch src := src.(type) {
	case interface{ WaitRead() }:
		return src.WaitRead
	case interface{ ReadWaiter() func() }:
		return src.ReadWaiter()
	}
	return waitReadable(src)
}
