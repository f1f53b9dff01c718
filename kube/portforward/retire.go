package portforward

import (
	"context"
	"slices"
	"time"
)

// isAlone reports whether s carries one connection at most.
func (s *session) isAlone() bool {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.users <= 1
}

// release takes one connection from s. mu is held.
func (s *session) release(now time.Time) {
	s.users--
	s.since = now
	switch {
	case s.users > 0:
		return
	case s.retired || s.Err() != nil || s.identity != s.pool.creds || s.pod.withdrawn:
		s.remove("")
	default:
		s.pod.idle = append(s.pod.idle, s)
	}
	s.pod.serve(now)
	s.startWatching()
}

// startWatching starts a goroutine that reads s while it is idle. mu is held.
func (s *session) startWatching() {
	if s.users == 0 && !s.watched && s.Err() == nil {
		s.watched = s.pool.spawn(func(ctx context.Context) { s.watch() })
	}
}

// retire keeps s from getting more connections. Those it has are not disturbed.
func (s *session) retire(why string) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.retireLocked(why)
}

// doubt retires s because it may hold up its connections, which check that themselves from then on.
func (s *session) doubt(why string) {
	if s.doubtful.Swap(true) {
		return
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.retireLocked(why)
	s.recheckConns()
}

// recheckConns makes every connection on s check its health. mu is held.
func (s *session) recheckConns() {
	for _, a := range s.attempts {
		// In a goroutine, because a connection takes its own lock before the pool's.
		s.pool.spawn(func(context.Context) { a.conn.recheck() })
	}
}

// markSilent records that s does not answer. It gets no more connections, and neither does any other session that has
// received nothing since: what they share, the route to the API server, may be dead. Those are pinged.
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

// retireLocked is retire with mu held. A retired session ends with its last connection.
func (s *session) retireLocked(why string) {
	if s.retired {
		return
	}
	s.retired, s.retiredFor = true, why
	s.pool.done.retired++
	if s.users == 0 {
		s.remove("")
	}
}

// remove ends a session; s may be nil. mu is held.
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
	s.Close()
}

// logEnd writes the one log line of a session, at its end. mu is held.
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
	case s.identity != s.pool.creds:
		why = "credentials changed"
	default:
		why = "the Pod was withdrawn"
	}
	st := s.State()
	s.pool.cfg.Log.Debug().Str("pod", s.pod.id.name).Str("namespace", s.pod.id.namespace).Str("protocol", s.protocol).Str("reason", why).
		Int("connections", s.carried).Int64("sent_bytes", st.Sent).Int64("received_bytes", st.Received).
		Dur("lasted_ms", time.Since(s.begun)).AnErr("cause", cause).Msg("session ended")
}
