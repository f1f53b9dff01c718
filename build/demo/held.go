package main

import (
	"io"
	"sync"
)

// held keeps what is written until it is released. What the panel's Fairlead says where there is no panel is of no use
// to anybody, and looks like an error.
type held struct {
	to io.Writer

	mu       sync.Mutex
	text     []byte
	released bool
}

// Write passes p on, or keeps it.
func (h *held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released {
		return h.to.Write(p)
	}
	h.text = append(h.text, p...)
	return len(p), nil
}

// release passes on what was kept, and what comes.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.released {
		h.released = true
		_, _ = h.to.Write(h.text) // there is no other place to say that nobody reads
	}
}
