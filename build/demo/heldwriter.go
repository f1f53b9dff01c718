package main

import (
	"io"
	"sync"
)

// heldWriter is a writer that keeps what is written until it is released. The output of a Fairlead that finds no panel
// is of no use, and looks like an error.
type heldWriter struct {
	to io.Writer

	mu       sync.Mutex
	text     []byte
	released bool
}

// Write passes p on if h has been released, and keeps it otherwise.
func (h *heldWriter) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released {
		return h.to.Write(p)
	}
	h.text = append(h.text, p...)
	return len(p), nil
}

// release passes on what was kept and what is written from now on.
func (h *heldWriter) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.released {
		h.released = true
		_, _ = h.to.Write(h.text) // there is no other place for the error
	}
}
