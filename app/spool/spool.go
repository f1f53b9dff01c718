// Package spool writes lines to a destination that may be slow, such as a terminal that is not read or a disk that
// hangs, so that callers never wait for it. Lines beyond a bound are dropped and counted, and the count is written once
// there is room again.
package spool

import (
	"errors"
	"io"
	"sync"
	"time"
)

// maxSize bounds the waiting lines, in bytes. Run may hold as many again.
const maxSize = 1 << 20

// ErrUnwritten is returned by Close if lines were left.
var ErrUnwritten = errors.New("lines were left unwritten")

// Config configures a Writer. Only To is required.
type Config struct {
	To io.Writer
	// Lost returns a line that reports that n lines were dropped or could not be written. If nil, there is no such
	// line.
	Lost func(n int) []byte
	// Failed is called by Run's goroutine when writing begins to fail: once, until a line could be written again.
	Failed func(error)
}

// A Writer accepts lines for a slow destination. Its methods may be called by any goroutine.
type Writer struct {
	config Config
	more   chan struct{} // holds a token if there may be something to write
	done   chan struct{} // closed when Run returns

	mutex  sync.Mutex
	lines  [][]byte
	size   int // of lines
	lost   int // since lines was last taken
	closed bool
}

// New returns a Writer that keeps its lines until Run writes them.
func New(c Config) *Writer {
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	return &Writer{config: c, more: make(chan struct{}, 1), done: make(chan struct{})}
}

// Write accepts one or more lines, which are written or dropped together. It never fails and never waits for the
// destination.
func (w *Writer) Write(line []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	switch {
	case w.closed:
	case w.size+len(line) > maxSize:
		w.lost++
	default:
		w.lines = append(w.lines, append([]byte(nil), line...))
		w.size += len(line)
		w.wake()
	}
	return len(line), nil
}

// Close ends Run once everything is written, but waits no longer than within. Later lines are dropped.
func (w *Writer) Close(within time.Duration) error {
	w.mutex.Lock()
	w.closed = true
	w.wake()
	w.mutex.Unlock()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-timer.C:
		return ErrUnwritten
	}
}

func (w *Writer) wake() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// Run writes the lines until Close was called and all are written. It owns the destination, and must be called once. A
// write that hangs cannot be ended, so Run may outlive Close.
func (w *Writer) Run() {
	defer close(w.done)
	lost, failing := 0, false
	write := func(line []byte) bool {
		_, err := w.config.To.Write(line)
		if err != nil && !failing {
			w.config.Failed(err)
		}
		failing = err != nil
		return err == nil
	}
	reported := func() bool { // reports whether the loss was written, if there was one
		if lost > 0 && w.config.Lost != nil && !write(w.config.Lost(lost)) {
			return false
		}
		lost = 0
		return true
	}
	for range w.more {
		lines, dropped, closed := w.take()
		for _, line := range lines {
			if !reported() || !write(line) {
				lost++
			}
		}
		lost += dropped
		reported()
		if closed {
			return
		}
	}
}

// take returns the waiting lines, how many were dropped after them, and whether no more will come.
func (w *Writer) take() (lines [][]byte, dropped int, closed bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	lines, dropped = w.lines, w.lost
	w.lines, w.size, w.lost = nil, 0, 0
	return lines, dropped, w.closed
}
