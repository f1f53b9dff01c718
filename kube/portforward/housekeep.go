package portforward

import (
	"context"
	"slices"
	"time"
)

const (
	// settling is how often a session is looked at whose last connection has not ended yet.
	settling = 100 * time.Millisecond
	// pingEvery keeps idle sessions known to be alive, and middleboxes from forgetting them.
	pingEvery = 15 * time.Second
	// lastOnes is how long the last sessions with a Pod stay after its last use.
	lastOnes = 5 * time.Minute
	// lettingGo is how long a runtime may take to end what the client ended; containerd takes one second.
	lettingGo = 5 * time.Second
	// lookEvery is how often the credentials are looked at while the forwarder is in use.
	lookEvery = 10 * time.Second
	recently  = 2 * time.Minute
)

// housekeep does what is due and says when to come again.
func (f *Forwarder) housekeep(ctx context.Context, now time.Time) time.Duration {
	f.mu.Lock()
	next := time.Hour
	due := func(in time.Duration) { next = min(next, max(in, 10*time.Millisecond)) }
	for id, p := range f.pods {
		for _, s := range slices.Clone(p.idle) {
			f.tend(s, now, due)
		}
		f.grow(p, now)
		if !p.due.IsZero() && now.Before(p.due) {
			due(p.due.Sub(now))
		}
		if len(p.sessions) == 0 && len(p.waiting) == 0 && p.dialling == 0 && now.Sub(p.used) > time.Minute {
			delete(f.pods, id)
		} else {
			due(time.Minute)
		}
	}
	look := false
	if f.began.IsZero() {
		f.began = now
	}
	unused := f.used.IsZero()
	if now.Sub(f.used) < recently || unused && now.Sub(f.began) < recently {
		look = f.up.plugin == "" && !unused && now.Sub(f.looked) >= lookEvery
		if look {
			f.looked = now
		}
		// A plugin may ask the user for something; nothing that nobody asked for should.
		if f.up.plugin == "" || !unused {
			for range f.up.stash.room(now) - f.filling {
				if f.spawn(f.fillStash) {
					f.filling++
				}
			}
		}
		due(min(stashAge, lookEvery))
	}
	f.mu.Unlock()
	if look {
		f.lookAtCredentials(ctx)
	}
	return next
}

// tend looks after one idle session. mu is held.
func (f *Forwarder) tend(s *session, now time.Time, due func(time.Duration)) {
	keep := f.cfg.Idle
	if len(s.pod.idle) <= minSpares {
		keep = max(keep, lastOnes)
	}
	idle := age(now, s.since)
	st := s.State()
	switch {
	case s.Err() != nil:
		f.remove(s, "ended")
	case idle >= keep:
		f.remove(s, "idle")
	case s.refusedLate():
		f.retire(s, underWay)
	case st.Dropped-s.dropped >= small, st.Lingering > 0 && idle > lettingGo:
		f.retire(s, "the last connection did not end")
	default:
		due(keep - idle)
	}
}

// watch reads an idle session: late ends of its connections, the end of its own. It pings, so that a session that died
// in silence is never handed out.
func (f *Forwarder) watch(s *session) {
	for {
		st := s.State()
		now := time.Now()
		f.mu.Lock()
		draining := s.draining
		f.mu.Unlock()
		until := st.Heard.Add(pingEvery)
		switch {
		case st.Pinging > deadline(st.RTT):
			f.cfg.Doubt()
			s.CloseWith(errSilent)
		case st.Pinging > 0:
			until = now.Add(deadline(st.RTT) - st.Pinging + time.Millisecond)
		case age(now, st.Heard) >= pingEvery:
			s.Ping()
			until = now.Add(deadline(st.RTT) + time.Millisecond)
		case st.Lingering > 0 && draining:
			until = now.Add(settling)
		case st.Lingering > 0:
			until = now.Add(lettingGo)
		}
		err := s.Watch(until)
		f.mu.Lock()
		if s.users > 0 || err != nil {
			s.watched = false
			if err != nil && s.users == 0 {
				f.remove(s, "ended")
				f.serve(s.pod, time.Now())
			}
			f.mu.Unlock()
			return
		}
		now = time.Now()
		f.tend(s, now, func(time.Duration) {})
		f.serve(s.pod, now)
		f.mu.Unlock()
	}
}

// fillStash dials one connection that is bound to no Pod yet.
func (f *Forwarder) fillStash(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Dial)
	defer cancel()
	conn, who, err := f.up.route.dial(ctx)
	f.mu.Lock()
	f.filling--
	f.mu.Unlock()
	if err != nil {
		f.cfg.Log.Debug().Err(err).Msg("no spare connection to the API server")
		return
	}
	f.up.stash.put(conn, who)
}

// lookAtCredentials retires the sessions of former credentials.
func (f *Forwarder) lookAtCredentials(ctx context.Context) {
	who, err := f.up.current(ctx)
	if err != nil {
		f.cfg.Log.Debug().Err(err).Msg("credentials cannot be read")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.creds == (identity{}) || f.creds == who {
		return
	}
	f.adopt(who)
	f.up.stash.drop(func(identity) bool { return false })
}
