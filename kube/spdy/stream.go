package spdy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"syscall"
	"time"
)

// A Request asks for one stream.
type Request struct {
	Headers []Header
	// Fin says that nothing will be written to the stream.
	Fin bool
	// Keep, when above zero, is for a stream that nobody reads as its bytes come: the first Keep of them are kept for
	// Text and the rest is dropped.
	Keep int
}

// A ResetError is the end of a stream by the peer's RST_STREAM (SPDY/3.1, section 2.6.3), or by a GOAWAY that says that
// the peer never looked at the stream, which counts as RefusedStream.
type ResetError struct{ Status uint32 }

func (e *ResetError) Error() string {
	return fmt.Sprintf("stream reset by the peer (status %d)", e.Status)
}

// Unwrap gives syscall.ECONNRESET.
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
	endErr   error // io.EOF if it said so in order
	fin      bool  // the local side sends no more
	closed   bool  // the local side is through with it
}

// Open opens a stream for each request, in order, and sends first as the first bytes of the last one: all in one write.
// It does not wait for an answer. An error that wraps ErrUnsent says that the peer got nothing it could act on: a frame
// that was not sent to its end is no frame.
func (s *Session) Open(first []byte, requests ...Request) ([]*Stream, error) {
	s.sending.Lock()
	streams, b, err := s.prepare(first, requests)
	if err == nil {
		if err = s.writeLocked(b); err != nil {
			err = fmt.Errorf("%w: %w", ErrUnsent, err)
		}
	}
	s.sending.Unlock()
	if err != nil {
		return nil, err
	}
	last := streams[len(streams)-1]
	last.sent += int64(min(len(first), s.cfg.MaxFrame))
	if len(first) > s.cfg.MaxFrame {
		if _, err := last.Write(first[s.cfg.MaxFrame:]); err != nil {
			return nil, err
		}
	}
	s.flush()
	return streams, nil
}

// prepare gives ids and encodes. sending is held, so that ids go out in rising order.
func (s *Session) prepare(first []byte, requests []Request) ([]*Stream, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnsent, ended(s.err))
	}
	if s.away || s.next > 1<<31-64 {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnsent, ErrGoAway)
	}
	b := s.control
	s.control = nil
	streams := make([]*Stream, len(requests))
	for i, r := range requests {
		st := &Stream{session: s, id: s.freeID(), keep: r.Keep, fin: r.Fin, waiter: waiter{wake: make(chan struct{}, 1)}}
		flags := byte(0)
		if r.Fin {
			flags = flagFin
		}
		b = appendSynStream(b, st.id, flags, s.next == 1, r.Headers)
		s.next = st.id + 2
		s.streams[st.id] = st
		s.live++
		st.use(1)
		streams[i] = st
	}
	if n := min(len(first), s.cfg.MaxFrame); n > 0 {
		b = append(appendData(b, streams[len(streams)-1].id, 0, n), first[:n]...)
	}
	s.interrupt(s.turns.watcher)
	return streams, b, nil
}

// freeID is the next id whose worker at the peer has the fewest streams in use.
func (s *Session) freeID() uint32 {
	if s.live == 0 {
		return s.next
	}
	best, workers := s.next, uint32(len(s.load))
	for id := s.next; id < s.next+2*workers; id += 2 {
		if s.load[id%workers] < s.load[best%workers] {
			best = id
		}
	}
	return best
}

// use counts a stream that is read as its bytes come for its worker, or takes it from the count.
func (st *Stream) use(change int) {
	if st.keep == 0 {
		st.session.load[st.id%uint32(len(st.session.load))] += change
	}
}

func (st *Stream) buffered() int { return st.pending.Len() }

// readable says whether Read would answer at once. The session's lock is held.
func (st *Stream) readable() bool {
	s := st.session
	return st.closed || st.ended || st.buffered() > 0 || s.err != nil ||
		s.turns.reader == nil && s.in.complete() && s.in.left > 0 && s.in.target == st
}

// Read reads what came next, from one DATA frame at most. At the end it gives io.EOF if the peer ended the stream in
// order, a *ResetError if it was reset, and another error if the session ended. After SetReadDeadline's moment it gives
// os.ErrDeadlineExceeded, and can go on with a new deadline.
func (st *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.turns.pass()
	for {
		if st.closed {
			return 0, ErrClosed
		}
		if st.buffered() > 0 {
			n, _ := st.pending.Read(p) //nolint:errcheck // a bytes.Buffer with bytes has no error
			st.drained(n)
			return n, nil
		}
		if st.ended {
			return 0, st.endErr
		}
		if n, err := s.turn(&st.waiter, st, p); n > 0 || err != nil {
			return n, err
		}
	}
}

// drained makes room in the session's buffers.
func (st *Stream) drained(n int) {
	s := st.session
	s.cfg.Memory.give(n)
	if st.buffered() == 0 && st.pending.Cap() > 2*smallBuffer {
		st.pending = bytes.Buffer{}
	}
	if s.blockedBy == st {
		s.blockedBy = nil
	}
}

// WaitReadable waits until Read would answer at once, or until the read deadline, which it answers with
// os.ErrDeadlineExceeded as Read does. It needs no buffer. Read must not run meanwhile.
func (st *Stream) WaitReadable(ctx context.Context) error {
	return st.wait(ctx, st.readable)
}

// WaitReply waits like WaitReadable, and also ends when the peer has accepted the stream (SYN_REPLY).
func (st *Stream) WaitReply(ctx context.Context) error {
	return st.wait(ctx, func() bool { return st.replied || st.readable() })
}

func (st *Stream) wait(ctx context.Context, done func() bool) error {
	s := st.session
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, st.look)()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.turns.pass()
	for !done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.turn(&st.waiter, st, nil); err != nil {
			return err
		}
	}
	return nil
}

// SetReadDeadline makes Read give os.ErrDeadlineExceeded at t, or never if t is zero. It also holds for a Read that is
// waiting.
func (st *Stream) SetReadDeadline(t time.Time) {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.IsZero() && (st.waiter.deadline.IsZero() || t.Before(st.waiter.deadline)) {
		defer s.interrupt(&st.waiter)
	}
	st.waiter.deadline = t
}

// look makes a wait that is under way look at the world again.
func (st *Stream) look() {
	st.session.mu.Lock()
	st.session.interrupt(&st.waiter)
	st.session.mu.Unlock()
}

// Write sends p in DATA frames, each in one write of the connection. There is no flow control in between: the write
// waits while the connection takes no more.
func (st *Stream) Write(p []byte) (int, error) {
	m := st.session.cfg.Memory
	written := 0
	for len(p) > 0 {
		n := min(len(p), st.session.cfg.MaxFrame)
		b := m.lendLarge()
		copy(b[headSize:], p[:n])
		err := st.send(b[:headSize+n])
		m.large.Put(b)
		if err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, nil
}

// ReadFrom sends what r gives until r ends, without copying it in between. While r has nothing, it holds a small buffer.
func (st *Stream) ReadFrom(r io.Reader) (int64, error) {
	m := st.session.cfg.Memory
	small := make([]byte, headSize+2<<10)
	var total int64
	bulk := false
	for {
		var n int
		var err error
		if bulk {
			b := m.lendLarge()
			n, err = st.relay(r, b[:headSize+st.session.cfg.MaxFrame])
			m.large.Put(b)
			bulk = n > len(small)
		} else {
			n, err = st.relay(r, small)
			bulk = headSize+n == len(small)
		}
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// relay moves one read of r into one frame. b has room for the head.
func (st *Stream) relay(r io.Reader, b []byte) (int, error) {
	n, err := r.Read(b[headSize:])
	if n > 0 {
		if failed := st.send(b[:headSize+n]); failed != nil {
			return 0, failed
		}
	}
	return n, err
}

// send sends one DATA frame: b has room for the head before its payload.
func (st *Stream) send(b []byte) error {
	s := st.session
	s.sending.Lock()
	err := st.writable(len(b) - headSize)
	if err == nil {
		appendData(b[:0], st.id, 0, len(b)-headSize)
		err = s.writeLocked(b)
	}
	s.sending.Unlock()
	s.flush()
	return err
}

// writable says whether n more bytes may be sent, and counts them.
func (st *Stream) writable(n int) error {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case st.closed || st.fin:
		return ErrClosed
	case st.ended:
		return syscall.EPIPE
	}
	st.sent += int64(n)
	return nil
}

// CloseWrite ends what is written (FIN). What the peer still sends can be read.
func (st *Stream) CloseWrite() error {
	s := st.session
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return ended(s.err)
	}
	st.finish()
	s.mu.Unlock()
	s.flush()
	return nil
}

// finish queues the FIN. The session's lock is held.
func (st *Stream) finish() {
	if st.fin {
		return
	}
	st.fin = true
	if !st.ended || st.endErr == io.EOF {
		st.session.control = appendData(st.session.control, st.id, flagFin, 0)
	}
	st.settle()
}

// Close ends the stream for the local side: FIN if there was none, and what the peer still sends is dropped. It waits for
// nothing but a moment's hold of the connection.
func (st *Stream) Close() error {
	s := st.session
	s.mu.Lock()
	if !st.closed {
		st.closed = true
		s.live--
		st.use(-1)
		st.drained(st.buffered())
		st.pending = bytes.Buffer{}
		if s.streams[st.id] != nil {
			s.lingering++
		}
		st.finish()
		s.interrupt(&st.waiter)
		s.turns.pass()
	}
	s.mu.Unlock()
	s.flush()
	return nil
}

// end marks that the peer sends no more. The session's lock is held.
func (st *Stream) end(err error) {
	if st.ended {
		return
	}
	st.ended, st.endErr = true, err
	if err != io.EOF {
		st.fin = true
	}
	st.settle()
	st.poke()
}

// settle forgets a stream that both sides are through with.
func (st *Stream) settle() {
	s := st.session
	if !st.fin || !st.ended || s.streams[st.id] == nil {
		return
	}
	delete(s.streams, st.id)
	if st.closed {
		s.lingering--
	}
}

// Progress is what has become of a stream so far.
type Progress struct {
	Sent, Received int64
	Replied        bool  // the peer has accepted it
	Ended          error // io.EOF, a *ResetError, or nil while the peer may send
	Finished       bool  // both sides are through with it
}

// Progress reports what has become of the stream.
func (st *Stream) Progress() Progress {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return Progress{Sent: st.sent, Received: st.received, Replied: st.replied, Ended: st.endErr, Finished: st.fin && st.ended}
}

// Text is what was kept of a stream whose Request had Keep set.
func (st *Stream) Text() string {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return string(st.text)
}
