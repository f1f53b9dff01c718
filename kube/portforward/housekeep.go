package portforward

import (
	"context"
	"slices"
	"time"
)

const (
	// drainInterval is how often a session is checked whose last connection has not ended yet.
	drainInterval = 100 * time.Millisecond
	// pingInterval is how often idle sessions are pinged, so that they are known to be alive and middleboxes do not
	// forget them.
	pingInterval = 15 * time.Second
	// keepLastFor is how long the last sessions with a Pod stay after its last use.
	keepLastFor = 5 * time.Minute
	// maxDrainTime is how long a runtime may take to end what the client ended; containerd takes one second.
	maxDrainTime = 5 * time.Second
	// credsCheckInterval is how often the credentials are checked while the forwarder is in use.
	credsCheckInterval = 10 * time.Second
	// recentUse is how long after the last use connections to the API server are kept ready.
	recentUse = 2 * time.Minute
)

// housekeep does what is due, and returns when it has to be called again.
func (pl *pool) housekeep(ctx context.Context, now time.Time) time.Duration {
	pl.mu.Lock()
	next := time.Hour
	due := func(in time.Duration) { next = min(next, max(in, 10*time.Millisecond)) }
	for id, p := range pl.pods {
		for _, s := range slices.Clone(p.idle) {
			s.tend(now, due)
		}
		p.grow(now)
		if !p.sparesAt.IsZero() && now.Before(p.sparesAt) {
			due(p.sparesAt.Sub(now))
		}
		if len(p.sessions) == 0 && len(p.waiting) == 0 && p.dialling == 0 && now.Sub(p.lastUsed) > time.Minute {
			delete(pl.pods, id)
		} else {
			due(time.Minute)
		}
	}
	check := false
	if pl.began.IsZero() {
		pl.began = now
	}
	unused := pl.lastUsed.IsZero()
	if now.Sub(pl.lastUsed) < recentUse || unused && now.Sub(pl.began) < recentUse {
		check = pl.up.plugin == "" && !unused && now.Sub(pl.credsChecked) >= credsCheckInterval
		if check {
			pl.credsChecked = now
		}
		// A plugin may prompt the user, which must follow from something that the user did.
		if pl.up.plugin == "" || !unused {
			for range pl.up.unbound.missing(now) - pl.filling {
				if pl.spawn(pl.fillUnbound) {
					pl.filling++
				}
			}
		}
		due(min(maxUnboundAge, credsCheckInterval))
	}
	pl.mu.Unlock()
	if check {
		pl.checkCredentials(ctx)
	}
	return next
}

// tend ends or retires an idle session if it is time for that, and otherwise calls due with the time until then. mu is
// held.
func (s *session) tend(now time.Time, due func(time.Duration)) {
	keep := s.pool.cfg.Idle
	if len(s.pod.idle) <= minSpares {
		keep = max(keep, keepLastFor)
	}
	idle := age(now, s.since)
	st := s.State()
	switch {
	case s.Err() != nil:
		s.remove("ended")
	case idle >= keep:
		s.remove("idle")
	case s.hasLateRefusal():
		s.retireLocked(bytesUnderWay)
	case st.Dropped-s.droppedBefore >= smallUpload, st.Lingering > 0 && idle > maxDrainTime:
		s.retireLocked("the last connection did not end")
	default:
		due(keep - idle)
	}
}

// watch reads an idle session: late ends of its connections, and the end of its own. It pings, so that no session is
// used that died in silence.
func (s *session) watch() {
	for {
		st := s.State()
		now := time.Now()
		s.pool.mu.Lock()
		draining := s.draining
		s.pool.mu.Unlock()
		until := st.Heard.Add(pingInterval)
		switch {
		case st.Pinging > responseTimeout(st.RTT):
			s.pool.cfg.Doubt()
			s.CloseWith(errSilent)
		case st.Pinging > 0:
			until = now.Add(responseTimeout(st.RTT) - st.Pinging + time.Millisecond)
		case age(now, st.Heard) >= pingInterval:
			s.Ping()
			until = now.Add(responseTimeout(st.RTT) + time.Millisecond)
		case st.Lingering > 0 && draining:
			until = now.Add(drainInterval)
		case st.Lingering > 0:
			until = now.Add(maxDrainTime)
		}
		err := s.Watch(until)
		s.pool.mu.Lock()
		if s.users > 0 || err != nil {
			s.watched = false
			if err != nil && s.users == 0 {
				s.remove("ended")
				s.pod.serve(time.Now())
			}
			s.pool.mu.Unlock()
			return
		}
		now = time.Now()
		s.tend(now, func(time.Duration) {})
		s.pod.serve(now)
		s.pool.mu.Unlock()
	}
}

// fillUnbound dials one connection that is bound to no Pod yet.
func (pl *pool) fillUnbound(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pl.cfg.Dial)
	defer cancel()
	conn, id, err := pl.up.route.dial(ctx)
	pl.mu.Lock()
	pl.filling--
	pl.mu.Unlock()
	if err != nil {
		pl.cfg.Log.Debug().Err(err).Msg("dial of a spare connection to the API server failed")
		return
	}
	pl.up.unbound.put(conn, id)
}

// checkCredentials retires the sessions of former credentials.
func (pl *pool) checkCredentials(ctx context.Context) {
	id, err := pl.up.currentIdentity(ctx)
	if err != nil {
		pl.cfg.Log.Debug().Err(err).Msg("reading the credentials failed")
		return
	}
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.creds == (identity{}) || pl.creds == id {
		return
	}
	pl.useCredentials(id)
	pl.up.unbound.dropAll()
}
