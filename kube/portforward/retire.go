package portforward

import (
	"context"
	"slices"
	"time"
)

// isAlone says that s carries one connection.
func (s *session) isAlone() bool {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.users <= 1
}

// release is giveBack with mu held.
func (s *session) release(now time.Time) {
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
	s.startWatching()
}

// startWatching has someone read a session that stays idle. mu is held.
func (s *session) startWatching() {
	if s.users == 0 && !s.watched && s.Err() == nil {
		s.watched = s.pool.spawn(func(ctx context.Context) { s.watch() })
	}
}

// retire retires s. What is on it is not disturbed.
func (s *session) retire(why string) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.retireLocked(why)
}

// doubt retires s, which may hold up the connections on it. Those look after themselves from then on.
func (s *session) doubt(why string) {
	if s.doubtful.Swap(true) {
		return
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.retireLocked(why)
	s.recheckConns()
}

// recheckConns has every connection on s look at its state. mu is held.
func (s *session) recheckConns() {
	for _, a := range s.attempts {
		// A connection takes its own lock before the forwarder's.
		s.pool.spawn(func(context.Context) { a.conn.recheck() })
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
	s.retireLocked("it does not answer")
	s.pool.doubted = time.Now()
	s.pool.up.unbound.dropAll()
	for _, p := range s.pool.pods {
		for _, other := range p.idle {
			s.pool.spawn(func(context.Context) { other.Ping() })
		}
	}
}

// retireLocked keeps a session from getting more connections; it ends with its last. mu is held.
func (s *session) retireLocked(why string) {
	if s.retired {
		return
	}
	s.retired, s.retiredFor = true, why
	s.pool.stats.Retired++
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
	case s.retiredFor != "":
		why = s.retiredFor
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
