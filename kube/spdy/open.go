package spdy

import "fmt"

// A Request describes a stream to open.
type Request struct {
	Headers []Header
	// Fin reports whether nothing will be written to the stream.
	Fin bool
	// Keep, if above zero, is for a stream that is not read as its bytes come: the first Keep of them are kept for Text
	// and the rest is dropped.
	Keep int
}

// Open opens a stream for each request, in order, and sends first as the first bytes of the last one, all in one write.
// It does not wait for an answer. An error that wraps ErrUnsent means that the peer got nothing it could act on: it
// ignores a frame that was cut short.
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

// prepare assigns ids and encodes the frames. sending is held, so that ids are sent in rising order.
func (s *Session) prepare(first []byte, requests []Request) ([]*Stream, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnsent, streamError(s.err))
	}
	if s.away || s.next > 1<<31-64 {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnsent, ErrGoAway)
	}
	b := s.control
	s.control = nil
	streams := make([]*Stream, len(requests))
	for i, r := range requests {
		st := &Stream{session: s, id: s.nextID(), keep: r.Keep, fin: r.Fin, waiter: waiter{wake: make(chan struct{}, 1)}}
		flags := byte(0)
		if r.Fin {
			flags = flagFin
		}
		b = appendSynStream(b, st.id, flags, s.next == 1, r.Headers)
		s.next = st.id + 2
		s.streams[st.id] = st
		s.live++
		s.addLoad(st, 1)
		streams[i] = st
	}
	if n := min(len(first), s.cfg.MaxFrame); n > 0 {
		b = append(appendData(b, streams[len(streams)-1].id, 0, n), first[:n]...)
	}
	s.turns.interrupt(s.turns.watcher)
	return streams, b, nil
}

// nextID returns the next id whose worker at the peer has the fewest streams in use.
func (s *Session) nextID() uint32 {
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

// addLoad adds change to the load of a stream's worker, if the stream is read as its bytes come.
func (s *Session) addLoad(st *Stream, change int) {
	if st.keep == 0 {
		s.load[st.id%uint32(len(s.load))] += change
	}
}
