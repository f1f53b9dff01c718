package portforward

import (
	"context"
	"slices"
	"time"
)

// alone says that s carries one connection.
func (s *session) alone() bool {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.users <= 1
}

// putBack is giveBack with mu held.
func (s *session) putBack(now time.Time) {
	s.users--
	s.since = now
	switch {
	case s.users > 0:
		return
	case s.retired || s.Err() != nil || s.who != s.pool.creds || s.pod.withdrawn:
		s.remove("")
	default:
		s.pod.idle = append(s.pod.idle, s)
	}
	s.pod.serve(now)
	s.attend()
}

// attend has someone read a session that stays idle. mu is held.
func (s *session) attend() {
	if s.users == 0 && !s.watched && s.Err() == nil {
		s.watched = s.pool.spawn(func(ctx context.Context) { s.watch() })
	}
}

// giveUp retires s. What is on it is not disturbed.
func (s *session) giveUp(why string) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.retire(why)
}

// doubt retires s, which may hold up the connections on it. Those look after themselves from then on.
func (s *session) doubt(why string) {
	if s.doubtful.Swap(true) {
		return
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.retire(why)
	s.lookAt()
}

// lookAt has every connection on s look at its state. mu is held.
func (s *session) lookAt() {
	for _, a := range s.attempts {
		// A connection takes its own lock before the forwarder's.
		s.pool.spawn(func(context.Context) { a.conn.look() })
	}
}

// markSilent takes note that s does not answer. It gets no more connections, and no other session does that was not heard
// since: what they share, the way to the API server, may be dead. They are asked.
func (s *session) markSilent() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.silent {
		return
	}
	s.silent = true
	s.pool.cfg.Doubt()
	s.retire("it does not answer")
	s.pool.doubted = time.Now()
	s.pool.up.stash.drop(func(identity) bool { return false })
	for _, p := range s.pool.pods {
		for _, other := range p.idle {
			s.pool.spawn(func(context.Context) { other.Ping() })
		}
	}
}

// retire keeps a session from getting more connections; it ends with its last. mu is held.
func (s *session) retire(why string) {
	if s.retired {
		return
	}
	s.retired, s.why = true, why
	s.pool.counted.Retired++
	if s.users == 0 {
		s.remove("")
	}
}

// remove ends a session. mu is held.
func (s *session) remove(why string) {
	if s == nil {
		return
	}
	p := s.pod
	if i := slices.Index(p.sessions, s); i >= 0 {
		p.sessions = slices.Delete(p.sessions, i, i+1)
		s.pool.total--
		s.logEnd(why)
	}
	p.idle = slices.DeleteFunc(p.idle, func(other *session) bool { return other == s })
	s.Close() // always nil
}

// logEnd writes the one line about a session, at its end. mu is held.
func (s *session) logEnd(why string) {
	cause := s.Err()
	switch {
	case s.pool.ended:
		why, cause = "closed", nil
	case why != "":
	case s.why != "":
		why = s.why
	case cause != nil:
		why = "ended"
	case s.who != s.pool.creds:
		why = "credentials changed"
	default:
		why = "the Pod was withdrawn"
	}
	st := s.State()
	s.pool.cfg.Log.Debug().Str("pod", s.pod.id.name).Str("namespace", s.pod.id.namespace).Str("carrier", s.carrier).Str("why", why).
		Int("connections", s.carried).Int64("sent_bytes", st.Sent).Int64("received_bytes", st.Received).
		Dur("lasted_ms", time.Since(s.begun)).AnErr("cause", cause).Msg("session ended")
}
