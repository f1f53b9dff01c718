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

// step reads one thing from the connection: the head of a frame, what a control frame says, or a piece of payload. If the
// payload is self's and nothing of that stream is buffered, it goes into p. The lock is held before and after; only the caller
// that holds the turn may step.
func (r *receiver) step(self *Stream, p []byte) (int, error) {
	if !r.frame.complete() {
		r.session.mu.Unlock()
		err := r.frame.readHead(r.session.conn)
		r.session.mu.Lock()
		if err != nil {
			return 0, err
		}
		r.session.heard()
		if err := r.begin(); err != nil {
			return 0, err
		}
		if !r.frame.control() && r.frame.left > 0 {
			return 0, nil // whose payload it is decides who reads it
		}
	}
	if r.frame.control() {
		r.session.mu.Unlock()
		err := r.frame.readFields(r.session.conn, r.scratch[:])
		r.session.mu.Lock()
		if err != nil {
			return 0, err
		}
		return 0, r.obey()
	}
	return r.payload(self, p)
}

// begin looks at a frame whose head is complete.
func (r *receiver) begin() error {
	if r.frame.control() {
		return r.frame.check()
	}
	st, err := r.session.known(r.frame.id())
	if err != nil {
		return err
	}
	if st != nil && st.ended {
		st = nil
	}
	r.frame.target = st
	return nil
}

// known finds a stream by the id in a frame: nil for one that is over, an error for one that never was.
func (s *Session) known(id uint32) (*Stream, error) {
	if st := s.streams[id]; st != nil {
		return st, nil
	}
	if id%2 == 0 || id >= s.next {
		return nil, violation("frame for stream %d, which was never opened", id)
	}
	return nil, nil
}

// payload moves a piece of a DATA frame to where it belongs.
func (r *receiver) payload(self *Stream, p []byte) (n int, err error) {
	st := r.frame.target
	switch {
	case r.frame.left == 0:
	case st == nil || st.closed && st.keep == 0:
		err = r.drop()
	case st == self && st.keep == 0 && st.buffered() == 0 && len(p) > 0:
		n, err = r.into(p)
		st.received += int64(n)
	case st.keep > 0:
		err = r.collect(st)
	default:
		err = r.store(st)
	}
	if err == nil && r.frame.left == 0 && r.frame.complete() {
		r.finish()
	}
	return n, err
}

// into reads the rest of the frame's payload into p, or as much as it holds. The rest of a frame is on its way when its
// beginning is here: whoever writes p on has half the writes. It comes back with less only at a deadline or an end.
func (r *receiver) into(p []byte) (int, error) {
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
	r.session.heard()
	r.mid = r.frame.left > 0
	if n > 0 && errors.Is(err, errDeadline) {
		r.session.turns.stale = true
		err = nil
	}
	if err != nil && (n == 0 || r.frame.left > 0) {
		return n, cutShort(err, true)
	}
	return n, nil
}

func (r *receiver) drop() error {
	b := r.session.cfg.Memory.lendSmall()
	defer r.session.cfg.Memory.small.Put(b)
	n, err := r.into(b[:])
	r.dropped += int64(n)
	return err
}

// collect keeps a little of what comes for a stream that nobody reads as it comes, and drops the rest.
func (r *receiver) collect(st *Stream) error {
	b := r.session.cfg.Memory.lendSmall()
	defer r.session.cfg.Memory.small.Put(b)
	n, err := r.into(b[:])
	st.text = append(st.text, b[:min(n, st.keep-len(st.text))]...)
	if st.closed {
		r.dropped += int64(n)
	}
	st.poke()
	return err
}

// store buffers payload for a stream whose owner does not read now. With its buffer full the session stands still.
func (r *receiver) store(st *Stream) error {
	room := min(r.session.cfg.Buffer-st.buffered(), int(r.frame.left))
	if room > smallBuffer {
		room = smallBuffer
	}
	if room <= 0 || !r.session.cfg.Memory.take(room) {
		r.blockedBy, r.blockedAt = st, time.Now()
		st.poke()
		return nil
	}
	b := r.session.cfg.Memory.lendSmall()
	defer r.session.cfg.Memory.small.Put(b)
	n, err := r.into(b[:room])
	if st.closed { // by its owner, meanwhile
		r.session.cfg.Memory.give(room)
		return err
	}
	r.session.cfg.Memory.give(room - n)
	st.pending.Write(b[:n])
	st.received += int64(n)
	st.poke()
	return err
}

// finish ends a DATA frame.
func (r *receiver) finish() {
	st, fin := r.frame.target, r.frame.flags()&flagFin != 0
	r.frame.reset()
	if st == nil {
		return
	}
	if fin {
		st.end(io.EOF)
	}
}

// obey does what a control frame says that was read whole.
func (r *receiver) obey() error {
	f := r.frame
	r.frame.reset()
	switch f.kind() {
	case typePing:
		return r.session.pinged(f.field(0))
	case typeGoAway:
		r.goAway(f.field(0) & 0x7fffffff)
	case typeSynReply, typeHeaders:
		return r.headers(f.field(0)&0x7fffffff, f.kind(), f.flags())
	case typeRstStream:
		st, err := r.session.known(f.field(0) & 0x7fffffff)
		if err != nil {
			return err
		}
		if st != nil {
			st.end(&ResetError{Status: f.field(1)})
		}
	}
	return nil
}

func (r *receiver) headers(id uint32, kind uint16, flags byte) error {
	st, err := r.session.known(id)
	if err != nil || st == nil {
		return err
	}
	if kind == typeSynReply {
		if st.replied {
			return violation("second reply for stream %d", id)
		}
		st.replied = true
		st.poke()
	}
	if flags&flagFin != 0 {
		st.end(io.EOF)
	}
	return nil
}

func (r *receiver) goAway(last uint32) {
	r.session.away = true
	for id, st := range r.session.streams {
		if id > last {
			st.end(&ResetError{Status: RefusedStream})
		}
	}
}
