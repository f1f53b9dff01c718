// Package testoutput keeps what a program writes, for tests that read it while the program runs.
package testoutput

import (
	"strings"
	"sync"
)

// A Buffer has everything that was written to it so far. The zero Buffer is empty. Its methods may be called by any
// goroutine.
type Buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds p. It does not fail.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
