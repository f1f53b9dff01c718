package spdy

import (
	"sync"
	"sync/atomic"
)

const (
	smallBuffer = 16 << 10
	largeBuffer = 64 << 10
)

// A Memory holds the buffers that sessions need while bytes flow, and limits what may wait in buffers. The zero value has
// no limit.
type Memory struct {
	bounded      bool
	left         atomic.Int64
	small, large sync.Pool
}

// NewMemory returns a Memory that limits what waits to a number of bytes, over all sessions that share it.
func NewMemory(bytes int64) *Memory {
	m := &Memory{bounded: true}
	m.left.Store(bytes)
	return m
}

// reserve reserves room for n bytes to wait. It reports false if there is not so much.
func (m *Memory) reserve(n int) bool {
	if !m.bounded {
		return true
	}
	if m.left.Add(-int64(n)) >= 0 {
		return true
	}
	m.left.Add(int64(n))
	return false
}

// free gives back the room for n bytes.
func (m *Memory) free(n int) {
	if m.bounded {
		m.left.Add(int64(n))
	}
}

func (m *Memory) getSmall() *[smallBuffer]byte {
	if b, ok := m.small.Get().(*[smallBuffer]byte); ok {
		return b
	}
	return new([smallBuffer]byte)
}

func (m *Memory) getLarge() *[largeBuffer]byte {
	if b, ok := m.large.Get().(*[largeBuffer]byte); ok {
		return b
	}
	return new([largeBuffer]byte)
}
