package spdy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// A ResetError is the end of a stream by the peer's RST_STREAM (SPDY/3.1, section 2.6.3), or by a GOAWAY after which
// the peer never reads the stream, which counts as RefusedStream.
type ResetError struct{ Status uint32 }

func (e *ResetError) Error() string {
	return fmt.Sprintf("stream reset by the peer (status %d)", e.Status)
}

// Unwrap returns syscall.ECONNRESET.
func (e *ResetError) Unwrap() error { return syscall.ECONNRESET }

// A Stream is one of a session's streams. One goroutine may read and another write at the same time.
type Stream struct {
	session *Session
	id      uint32
	keep    int

	waiter  // of its reader
	pending bytes.Buffer
	text    []byte

	received int64
	sent     int64
	replied  bool
	ended    bool  // the peer sends no more
	endErr   error // io.EOF after a FIN
	fin      bool  // the local side sends no more
	closed   bool  // the local side has closed it
}

// readable reports whether Read would return at once. The session's lock is held.
func (st *Stream) readable() bool {
	s := st.session
	return st.closed || st.ended || st.pending.Len() > 0 || s.err != nil ||
		s.turns.reader == nil && s.receiver.frame.isComplete() && s.receiver.frame.left > 0 && s.receiver.frame.target == st
}

// Read reads what came next, from one DATA frame at most. At the end it returns io.EOF if the peer ended the stream in
// order, a *ResetError if it was reset, and another error if the session ended. After the read deadline it returns
// os.ErrDeadlineExceeded, and can go on with a new deadline.
func (st *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.turns.passOn()
	for {
		if st.closed {
			return 0, ErrClosed
		}
		if st.pending.Len() > 0 {
			n, _ := st.pending.Read(p)
			st.freeBuffer(n)
			return n, nil
		}
		if st.ended {
			return 0, st.endErr
		}
		if n, err := s.turns.step(&st.waiter, st, p); n > 0 || err != nil {
			return n, err
		}
	}
}

// freeBuffer gives back the room of n bytes that were read from pending.
func (st *Stream) freeBuffer(n int) {
	s := st.session
	s.cfg.Memory.free(n)
	if st.pending.Len() == 0 && st.pending.Cap() > 2*smallBuffer {
		st.pending = bytes.Buffer{}
	}
	if s.receiver.blockedBy == st {
		s.receiver.blockedBy = nil
	}
}

// WaitReadable waits until Read would return at once, or until the read deadline, when it returns
// os.ErrDeadlineExceeded as Read does. It needs no buffer. Read must not run meanwhile.
func (st *Stream) WaitReadable(ctx context.Context) error {
	return st.wait(ctx, st.readable)
}

// WaitReply waits like WaitReadable, and also ends when the peer has accepted the stream (SYN_REPLY).
func (st *Stream) WaitReply(ctx context.Context) error {
	return st.wait(ctx, func() bool { return st.replied || st.readable() })
}

// WaitEnd waits like WaitReadable, but until the peer sends no more. It is for a stream that is kept for Text.
func (st *Stream) WaitEnd(ctx context.Context) error {
	return st.wait(ctx, func() bool { return st.closed || st.ended || st.session.err != nil })
}

func (st *Stream) wait(ctx context.Context, done func() bool) error {
	s := st.session
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, st.recheck)()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.turns.passOn()
	for !done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.turns.step(&st.waiter, st, nil); err != nil {
			return err
		}
	}
	return nil
}

// SetReadDeadline makes Read return os.ErrDeadlineExceeded at t, or never if t is zero. It also holds for a Read that
// is waiting.
func (st *Stream) SetReadDeadline(t time.Time) {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.IsZero() && (st.waiter.deadline.IsZero() || t.Before(st.waiter.deadline)) {
		defer s.turns.interrupt(&st.waiter)
	}
	st.waiter.deadline = t
}

// recheck makes a wait that is running check its condition again.
func (st *Stream) recheck() {
	st.session.mu.Lock()
	st.session.turns.interrupt(&st.waiter)
	st.session.mu.Unlock()
}

// Close ends the stream for the local side: it sends a FIN if there was none, and drops what the peer still sends,
// except for Text. It does not wait for the peer.
func (st *Stream) Close() error {
	s := st.session
	s.mu.Lock()
	if !st.closed {
		st.closed = true
		s.live--
		s.addLoad(st, -1)
		st.freeBuffer(st.pending.Len())
		st.pending = bytes.Buffer{}
		if s.streams[st.id] != nil {
			s.lingering++
		}
		st.queueFin()
		s.turns.interrupt(&st.waiter)
		s.turns.passOn()
	}
	s.mu.Unlock()
	s.flush()
	return nil
}

// endReceiving records that the peer sends no more. The session's lock is held.
func (st *Stream) endReceiving(err error) {
	if st.ended {
		st.fin = st.fin || !errors.Is(err, io.EOF) // a reset after the peer's FIN: it reads no more either
		st.forgetIfDone()
		return
	}
	st.ended, st.endErr = true, err
	if !errors.Is(err, io.EOF) {
		st.fin = true
	}
	st.forgetIfDone()
	st.notify()
}

// forgetIfDone removes a stream from its session that both sides have ended.
func (st *Stream) forgetIfDone() {
	s := st.session
	if !st.fin || !st.ended || s.streams[st.id] == nil {
		return
	}
	delete(s.streams, st.id)
	if st.closed {
		s.lingering--
	}
}

// Progress describes what has happened on a stream so far.
type Progress struct {
	Sent, Received int64
	Replied        bool  // the peer has accepted it
	Ended          error // io.EOF, a *ResetError, or nil while the peer may send
	Finished       bool  // both sides have ended it
}

// Progress returns what has happened on the stream so far.
func (st *Stream) Progress() Progress {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return Progress{Sent: st.sent, Received: st.received, Replied: st.replied, Ended: st.endErr, Finished: st.fin && st.ended}
}

// Text returns what was kept of a stream whose Request had Keep set. It grows after Close, too, until the peer ends the
// stream.
func (st *Stream) Text() string {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return string(st.text)
}
