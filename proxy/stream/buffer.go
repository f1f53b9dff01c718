package stream

import (
	"io"
	"sync"
)

const (
	idleBuffer = 2 << 10  // for what arrives after a pause
	busyBuffer = 64 << 10 // for a direction that moves more than that at once
)

var (
	idleBuffers = sync.Pool{New: func() any { return new([idleBuffer]byte) }}
	busyBuffers = sync.Pool{New: func() any { return new([busyBuffer]byte) }}
)

// A Buffer provides the memory for reads from one connection: a large buffer while much arrives, otherwise a small one,
// and none while nothing arrives, if the connection can wait without one. It is used by one goroutine, which calls
// Next, reads, calls Used and repeats this, and calls Release at the end.
type Buffer struct {
	wait   func() // waits until there is something to read; nil if only a read can wait
	small  *[idleBuffer]byte
	large  *[busyBuffer]byte
	buffer []byte // the one of the two that is in use
}

// NewBuffer returns a Buffer for reads from src.
func NewBuffer(src io.Reader) Buffer { return Buffer{wait: ReadWaiter(src)} }

// Next waits until there is something to read, if it can, and returns the buffer to read into.
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

// Used chooses the next buffer by how many bytes were read. The caller must not use the buffer from Next afterwards.
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

// Release gives the memory back.
func (b *Buffer) Release() {
	if b.large != nil {
		busyBuffers.Put(b.large)
	}
	if b.small != nil {
		idleBuffers.Put(b.small)
	}
	b.large, b.small = nil, nil
}

// ReadWaiter returns a function that waits until a read of src would return, or nil if src has no such wait. The read
// may then return bytes or an error. A connection that wraps another one implements it with a method of the same name.
func ReadWaiter(src io.Reader) func() {
	switch src := src.(type) {
	case interface{ WaitRead() }:
		return src.WaitRead
	case interface{ ReadWaiter() func() }:
		return src.ReadWaiter()
	}
	return waitReadable(src)
}
