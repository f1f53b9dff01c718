package proxy

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

// A holder has the buffer of one direction of a relay: a large one while much comes, else a small one, and none while
// nothing does, where that can be waited for without.
type holder struct {
	wait   func() // waits until there is something to read; nil where only a read can
	small  *[idleBuffer]byte
	large  *[busyBuffer]byte
	buffer []byte // the one of them that is in use
}

// next gives the buffer to read into, when there is something to read.
func (h *holder) next() []byte {
	switch {
	case h.large != nil:
		h.buffer = h.large[:]
	case h.small == nil && h.wait != nil:
		h.wait()
		fallthrough
	case h.small == nil:
		h.small = idleBuffers.Get().(*[idleBuffer]byte)
		fallthrough
	default:
		h.buffer = h.small[:]
	}
	return h.buffer
}

// used chooses the next buffer by how much came.
func (h *holder) used(n int) {
	switch {
	case h.large == nil && n == idleBuffer:
		h.large = busyBuffers.Get().(*[busyBuffer]byte)
	case h.large != nil && n <= idleBuffer:
		busyBuffers.Put(h.large)
		h.large = nil
	}
	if h.wait != nil && h.small != nil {
		idleBuffers.Put(h.small)
		h.small = nil
	}
}

func (h *holder) giveBack() {
	if h.large != nil {
		busyBuffers.Put(h.large)
	}
	if h.small != nil {
		idleBuffers.Put(h.small)
	}
	h.large, h.small = nil, nil
}

// waiting gives what waits until a read of src would say something, nil where there is no such wait. It does not say what
// the read would: that is the read's.
func waiting(src io.Reader) func() {
	switch src := src.(type) {
	case interface{ WaitRead() }:
		return src.WaitRead
	case *countedConn:
		return waiting(src.Conn)
	case *sniffed:
		wait := waiting(src.Conn)
		if wait == nil {
			return nil
		}
		return func() {
			if len(src.early) == 0 {
				wait()
			}
		}
	}
	return waitReadable(src)
}
