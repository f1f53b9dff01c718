package spdy

import (
	"errors"
	"io"
	"time"
)

// A receiver reads frames from a session's connection. The session's lock guards it, except for frame and scratch, which
// belong to the caller that holds the turn.
type receiver struct {
	session   *Session
	frame     frame
	mid       bool // the payload of frame is only partly read, for callers that do not hold the turn
	scratch   [128]byte
	received  int64
	dropped   int64
	blockedBy *Stream // the one whose full buffer holds the session up; nil if none does
	blockedAt time.Time
}

// step reads the head of a frame, the content of a control frame, or a piece of payload. If the payload is self's and
// nothing of that stream is buffered, it goes into p. Only the caller that holds the turn may call it. The lock is held
// before and after, and released in between.
func (r *receiver) step(self *Stream, p []byte) (int, error) {
	if !r.frame.isComplete() {
		r.session.mu.Unlock()
		err := r.frame.readHead(r.session.conn)
		r.session.mu.Lock()
		if err != nil {
			return 0, err
		}
		r.session.markHeard()
		if err := r.beginFrame(); err != nil {
			return 0, err
		}
		if !r.frame.isControl() && r.frame.left > 0 {
			return 0, nil // the payload's stream decides which caller reads it
		}
	}
	if r.frame.isControl() {
		r.session.mu.Unlock()
		err := r.frame.readFields(r.session.conn, r.scratch[:])
		r.session.mu.Lock()
		if err != nil {
			return 0, err
		}
		return 0, r.handleControl()
	}
	return r.movePayload(self, p)
}

// beginFrame checks a frame whose head is complete, and finds its stream.
func (r *receiver) beginFrame() error {
	if r.frame.isControl() {
		return r.frame.check()
	}
	st, err := r.session.findStream(r.frame.id())
	if err != nil {
		return err
	}
	if st != nil && st.ended {
		st = nil
	}
	r.frame.target = st
	return nil
}

// findStream returns the stream with the id in a frame: nil if it has ended, an error if it was never opened.
func (s *Session) findStream(id uint32) (*Stream, error) {
	if st := s.streams[id]; st != nil {
		return st, nil
	}
	if id%2 == 0 || id >= s.next {
		return nil, violation("frame for stream %d, which was never opened", id)
	}
	return nil, nil
}

// movePayload reads a piece of a DATA frame to where it belongs.
func (r *receiver) movePayload(self *Stream, p []byte) (n int, err error) {
	st := r.frame.target
	switch {
	case r.frame.left == 0:
	case st == nil || st.closed && st.keep == 0:
		err = r.discard()
	case st == self && st.keep == 0 && st.pending.Len() == 0 && len(p) > 0:
		n, err = r.readPayload(p)
		st.received += int64(n)
	case st.keep > 0:
		err = r.collectText(st)
	default:
		err = r.bufferPayload(st)
	}
	if err == nil && r.frame.left == 0 && r.frame.isComplete() {
		r.endFrame()
	}
	return n, err
}

// readPayload reads the rest of the frame's payload into p, or as much as fits. It waits for that: the rest of a frame
// is on its way when its beginning has come, and the caller that passes p on needs half as many writes. It returns less
// only at a deadline or an error.
func (r *receiver) readPayload(p []byte) (int, error) {
	p = p[:min(len(p), int(r.frame.left))]
	r.mid = true
	r.session.mu.Unlock()
	n, err := 0, error(nil)
	for n < len(p) && err == nil {
		var more int
		more, err = r.session.conn.Read(p[n:])
		n += more
	}
	r.session.mu.Lock()
	r.frame.left -= uint32(n)
	r.received += int64(n)
	r.session.markHeard()
	r.mid = r.frame.left > 0
	if n > 0 && errors.Is(err, errDeadline) {
		r.session.turns.stale = true
		err = nil
	}
	if err != nil && (n == 0 || r.frame.left > 0) {
		return n, unexpectedEOF(err, true)
	}
	return n, nil
}

// discard reads a piece of payload that belongs to no open stream.
func (r *receiver) discard() error {
	b := r.session.cfg.Memory.getSmall()
	defer r.session.cfg.Memory.small.Put(b)
	n, err := r.readPayload(b[:])
	r.dropped += int64(n)
	return err
}

// collectText keeps the beginning of a stream that is not read as its bytes come, and drops the rest.
func (r *receiver) collectText(st *Stream) error {
	b := r.session.cfg.Memory.getSmall()
	defer r.session.cfg.Memory.small.Put(b)
	n, err := r.readPayload(b[:])
	st.text = append(st.text, b[:min(n, st.keep-len(st.text))]...)
	if st.closed {
		r.dropped += int64(n)
	}
	st.notify()
	return err
}

// bufferPayload buffers payload for a stream that is not being read. If its buffer is full, the session waits.
func (r *receiver) bufferPayload(st *Stream) error {
	room := min(r.session.cfg.Buffer-st.pending.Len(), int(r.frame.left))
	if room > smallBuffer {
		room = smallBuffer
	}
	if room <= 0 || !r.session.cfg.Memory.reserve(room) {
		r.blockedBy, r.blockedAt = st, time.Now()
		st.notify()
		return nil
	}
	b := r.session.cfg.Memory.getSmall()
	defer r.session.cfg.Memory.small.Put(b)
	n, err := r.readPayload(b[:room])
	if st.closed { // meanwhile
		r.session.cfg.Memory.free(room)
		return err
	}
	r.session.cfg.Memory.free(room - n)
	st.pending.Write(b[:n])
	st.received += int64(n)
	st.notify()
	return err
}

// endFrame ends a DATA frame.
func (r *receiver) endFrame() {
	st, fin := r.frame.target, r.frame.flags()&flagFin != 0
	r.frame.reset()
	if st == nil {
		return
	}
	if fin {
		st.endReceiving(io.EOF)
	}
}

// handleControl acts on a control frame that was read whole.
func (r *receiver) handleControl() error {
	f := r.frame
	r.frame.reset()
	switch f.kind() {
	case typePing:
		return r.session.handlePing(f.field(0))
	case typeGoAway:
		r.handleGoAway(f.field(0) & 0x7fffffff)
	case typeSynReply, typeHeaders:
		return r.handleHeaders(f.field(0)&0x7fffffff, f.kind(), f.flags())
	case typeRstStream:
		st, err := r.session.findStream(f.field(0) & 0x7fffffff)
		if err != nil {
			return err
		}
		if st != nil {
			st.endReceiving(&ResetError{Status: f.field(1)})
		}
	}
	return nil
}

func (r *receiver) handleHeaders(id uint32, kind uint16, flags byte) error {
	st, err := r.session.findStream(id)
	if err != nil || st == nil {
		return err
	}
	if kind == typeSynReply {
		if st.replied {
			return violation("second reply for stream %d", id)
		}
		st.replied = true
		st.notify()
	}
	if flags&flagFin != 0 {
		st.endReceiving(io.EOF)
	}
	return nil
}

func (r *receiver) handleGoAway(last uint32) {
	r.session.away = true
	for id, st := range r.session.streams {
		if id > last {
			st.endReceiving(&ResetError{Status: RefusedStream})
		}
	}
}
