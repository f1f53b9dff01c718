package spdy

import "time"

// controlTimeout is how long a write of small frames may take; a connection that takes longer is blocked.
const controlTimeout = 5 * time.Second

// writeLocked sends b. sending is held.
func (s *Session) writeLocked(b []byte) error {
	s.mu.Lock()
	if s.err != nil {
		err := streamError(s.err)
		s.mu.Unlock()
		return err
	}
	s.writing = time.Now()
	s.sent += int64(len(b))
	s.mu.Unlock()
	_, err := s.conn.Write(b)
	s.mu.Lock()
	s.writing = time.Time{}
	if err != nil {
		s.failLocked(err)
		err = streamError(s.err)
	}
	s.mu.Unlock()
	return err
}

// flush sends the small frames that wait, unless a writer is sending, which then sends them too: a reader must not wait for a
// writer.
func (s *Session) flush() {
	for {
		s.mu.Lock()
		idle := len(s.control) == 0 || s.err != nil
		s.mu.Unlock()
		if idle || !s.sending.TryLock() {
			return
		}
		s.mu.Lock()
		b := s.control
		s.control = nil
		s.mu.Unlock()
		if len(b) > 0 {
			// Closing a stream and answering a ping must not wait for a peer that does not read.
			_ = s.conn.SetWriteDeadline(time.Now().Add(controlTimeout))
			_ = s.writeLocked(b)
			_ = s.conn.SetWriteDeadline(time.Time{})
		}
		s.sending.Unlock()
	}
}
