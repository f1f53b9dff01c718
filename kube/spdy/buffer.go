package spdy

import (
	"sync"
	"sync/atomic"
)

const (
	smallBuffer = 16 << 10
	largeBuffer = 64 << 10
)

// A Memory lends sessions the buffers they need while bytes are on the move, and bounds what may wait in buffers. The
// zero value has no bound.
type Memory struct {
	bounded      bool
	left         atomic.Int64
	small, large sync.Pool
}

// NewMemory makes a memory that lets so many bytes wait, over all sessions that share it.
func NewMemory(bytes int64) *Memory {
	m := &Memory{bounded: true}
	m.left.Store(bytes)
	return m
}

// reserve reserves n bytes of what may wait.
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
