package spdy

import (
	"errors"
	"io"
	"time"
)

// step reads one thing from the connection: the head of a frame, what a control frame says, or a piece of payload. If the
// payload is self's and nothing of that stream is buffered, it goes into p. The lock is held before and after; only the caller
// that holds the turn may step.
func (s *Session) step(self *Stream, p []byte) (int, error) {
	if !s.in.complete() {
		s.mu.Unlock()
		err := s.in.readHead(s.conn)
		s.mu.Lock()
		if err != nil {
			return 0, err
		}
		s.heard()
		if err := s.begin(); err != nil {
			return 0, err
		}
		if !s.in.control() && s.in.left > 0 {
			return 0, nil // whose payload it is decides who reads it
		}
	}
	if s.in.control() {
		s.mu.Unlock()
		err := s.in.readFields(s.conn, s.scratch[:])
		s.mu.Lock()
		if err != nil {
			return 0, err
		}
		return 0, s.obey()
	}
	return s.payload(self, p)
}

// begin looks at a frame whose head is complete.
func (s *Session) begin() error {
	if s.in.control() {
		return s.in.check()
	}
	st, err := s.known(s.in.id())
	if err != nil {
		return err
	}
	if st != nil && st.ended {
		st = nil
	}
	s.in.target = st
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
func (s *Session) payload(self *Stream, p []byte) (n int, err error) {
	st := s.in.target
	switch {
	case s.in.left == 0:
	case st == nil || st.closed && st.keep == 0:
		err = s.drop()
	case st == self && st.keep == 0 && st.buffered() == 0 && len(p) > 0:
		n, err = s.into(p)
		st.received += int64(n)
	case st.keep > 0:
		err = s.collect(st)
	default:
		err = s.store(st)
	}
	if err == nil && s.in.left == 0 && s.in.complete() {
		s.finish()
	}
	return n, err
}

// into reads the rest of the frame's payload into p, or as much as it holds. The rest of a frame is on its way when its
// beginning is here: whoever writes p on has half the writes. It comes back with less only at a deadline or an end.
func (s *Session) into(p []byte) (int, error) {
	p = p[:min(len(p), int(s.in.left))]
	s.mid = true
	s.mu.Unlock()
	n, err := 0, error(nil)
	for n < len(p) && err == nil {
		var more int
		more, err = s.conn.Read(p[n:])
		n += more
	}
	s.mu.Lock()
	s.in.left -= uint32(n)
	s.received += int64(n)
	s.heard()
	s.mid = s.in.left > 0
	if n > 0 && errors.Is(err, errDeadline) {
		s.turns.stale = true
		err = nil
	}
	if err != nil && (n == 0 || s.in.left > 0) {
		return n, cutShort(err, true)
	}
	return n, nil
}

func (s *Session) drop() error {
	b := s.cfg.Memory.lendSmall()
	defer s.cfg.Memory.small.Put(b)
	n, err := s.into(b[:])
	s.dropped += int64(n)
	return err
}

// collect keeps a little of what comes for a stream that nobody reads as it comes, and drops the rest.
func (s *Session) collect(st *Stream) error {
	b := s.cfg.Memory.lendSmall()
	defer s.cfg.Memory.small.Put(b)
	n, err := s.into(b[:])
	st.text = append(st.text, b[:min(n, st.keep-len(st.text))]...)
	if st.closed {
		s.dropped += int64(n)
	}
	st.poke()
	return err
}

// store buffers payload for a stream whose owner does not read now. With its buffer full the session stands still.
func (s *Session) store(st *Stream) error {
	room := min(s.cfg.Buffer-st.buffered(), int(s.in.left))
	if room > smallBuffer {
		room = smallBuffer
	}
	if room <= 0 || !s.cfg.Memory.take(room) {
		s.blockedBy, s.blockedAt = st, time.Now()
		st.poke()
		return nil
	}
	b := s.cfg.Memory.lendSmall()
	defer s.cfg.Memory.small.Put(b)
	n, err := s.into(b[:room])
	if st.closed { // by its owner, meanwhile
		s.cfg.Memory.give(room)
		return err
	}
	s.cfg.Memory.give(room - n)
	st.pending.Write(b[:n])
	st.received += int64(n)
	st.poke()
	return err
}

// finish ends a DATA frame.
func (s *Session) finish() {
	st, fin := s.in.target, s.in.flags()&flagFin != 0
	s.in.reset()
	if st == nil {
		return
	}
	if fin {
		st.end(io.EOF)
	}
}

// obey does what a control frame says that was read whole.
func (s *Session) obey() error {
	f := s.in
	s.in.reset()
	switch f.kind() {
	case typePing:
		return s.pinged(f.field(0))
	case typeGoAway:
		s.goAway(f.field(0) & 0x7fffffff)
	case typeSynReply, typeHeaders:
		return s.headers(f.field(0)&0x7fffffff, f.kind(), f.flags())
	case typeRstStream:
		st, err := s.known(f.field(0) & 0x7fffffff)
		if err != nil {
			return err
		}
		if st != nil {
			st.end(&ResetError{Status: f.field(1)})
		}
	}
	return nil
}

func (s *Session) headers(id uint32, kind uint16, flags byte) error {
	st, err := s.known(id)
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

func (s *Session) goAway(last uint32) {
	s.away = true
	for id, st := range s.streams {
		if id > last {
			st.end(&ResetError{Status: RefusedStream})
		}
	}
}
