package portforward

import (
	"context"
	"net"
	"slices"
	"time"
)

type podID struct{ namespace, name, uid string }

// A pod is the sessions with one Pod. The pool's lock guards it.
type pod struct {
	pool     *pool
	id       podID
	sessions []*session // all that are open
	idle     []*session // of them, those without a connection and fit for one; the last used is last
	waiting  []*waiter  // who waits for a session, the oldest first
	dialling int
	failedAt time.Time // when dialling last failed
	lastUsed time.Time
	rate     rate
	sparesAt time.Time // when spares are to be dialled; zero while none is missing

	withdrawn bool // see Withdraw: no session with it is kept for later
	standing  Standing
	unlisted  time.Time     // since when no Service leads to it; zero while one does
	asked     time.Time     // when its standing was last asked for
	answered  chan struct{} // closed when that is answered; nil when it never was asked for
	admission *admission    // of the sessions that were made last; nil before the first
}

// A waiter waits for a session.
type waiter struct {
	ep    Endpoint
	since time.Time
	got   chan grant // holds one
}

type grant struct {
	s   *session
	err error
}

// serve gives sessions to those who wait, as far as there are any, and dials more. mu is held.
func (p *pod) serve(now time.Time) {
	for len(p.waiting) > 0 {
		c := p.waiting[0]
		s := p.takeIdle(now)
		if s == nil {
			s = p.shareSession(c, now)
		}
		if s == nil {
			break
		}
		s.take(c.ep, now)
		c.got <- grant{s: s}
		p.waiting = p.waiting[1:]
	}
	p.grow(now)
}

// failAll gives everyone who waits the same answer. mu is held.
func (p *pod) failAll(err error) {
	for _, c := range p.waiting {
		c.got <- grant{err: err}
	}
	p.waiting = nil
}

// takeIdle gives the session that was used last, if it is fit.
func (p *pod) takeIdle(now time.Time) *session {
	for i := len(p.idle) - 1; i >= 0; i-- {
		s := p.idle[i]
		if !s.isFit(now) {
			continue // housekeeping looks after it
		}
		p.idle = slices.Delete(p.idle, i, i+1)
		return s
	}
	return nil
}

// shareSession returns a session that has a connection already, or nil. Below the caps it does so only in a burst: for a Pod that
// is far away, with connections that are as new as this one, and for targets that answered lately. One that refuses, or
// is not there any more, can hold up what shares a session with it. mu is held.
func (p *pod) shareSession(c *waiter, now time.Time) *session {
	full := !p.mayDial()
	if !full && (p.pool.rtt < nearRoundTrip || !p.pool.targets.proven(c.ep, now)) {
		return nil
	}
	var best *session
	for _, s := range p.sessions {
		if s.users == 0 || !s.isShareable(now) || !full && !(s.allProven(now) && s.isYoung(now, c.since, p.pool.rtt)) {
			continue
		}
		if best == nil || s.burden(now) < best.burden(now) {
			best = s
		}
	}
	if best != nil {
		p.pool.stats.Shared++
	}
	return best
}

// mayDial reports whether the caps allow one more session with p. Idle sessions with other Pods give way, and those that
// only wait for their last connection to end do not count for the Pod. mu is held.
func (p *pod) mayDial() bool {
	usable := 0
	for _, s := range p.sessions {
		if !s.retired {
			usable++
		}
	}
	if usable+p.dialling >= p.pool.cfg.PerPod {
		return false
	}
	return p.pool.total < p.pool.cfg.PerContext || p.pool.evictable(p) != nil
}

// grow dials for those who wait, and, a moment later, some ahead of demand. mu is held.
func (p *pod) grow(now time.Time) {
	want := len(p.waiting) - p.dialling
	if p.pool.total <= p.pool.cfg.PerContext*3/4 && now.Sub(p.failedAt) >= 5*time.Second {
		ahead := want + p.wantedSpares(now, p.pool.rtt) - len(p.idle)
		if p.sparesDue(now, ahead > max(want, 0)) {
			want = ahead
		}
	}
	for ; want > 0 && p.dialling < parallelDials && p.mayDial(); want-- {
		if p.pool.total >= p.pool.cfg.PerContext {
			p.pool.evictable(p).remove("gives way")
		}
		ep := Endpoint{Namespace: p.id.namespace, Pod: p.id.name, UID: p.id.uid}
		if p.admission == nil || now.Sub(p.admission.begun) > admissionLasts {
			p.admission = p.beginAdmission(now)
		}
		admission := p.admission
		if !p.pool.spawn(func(ctx context.Context) { p.dialSession(ctx, ep, admission) }) {
			return
		}
		p.dialling++
		p.pool.total++
	}
}

// sparesDue says whether the time has come for spares. They wait for a round trip: what asks for them is a first connection
// or a burst, whose own requests are on their way meanwhile, and a TLS handshake and an upgrade cost more than those. mu
// is held.
func (p *pod) sparesDue(now time.Time, missing bool) bool {
	if !missing {
		p.sparesAt = time.Time{}
		return false
	}
	if p.sparesAt.IsZero() {
		p.sparesAt = now.Add(min(p.pool.rtt, maxSpareDelay))
		p.pool.kick()
	}
	return !now.Before(p.sparesAt)
}

// wantedSpares is how many sessions to hold ready: what is asked for while one is dialled.
func (p *pod) wantedSpares(now time.Time, rtt time.Duration) int {
	if p.withdrawn || now.Sub(p.lastUsed) > time.Minute {
		return 0
	}
	dial := 3*rtt + 20*time.Millisecond
	return min(max(int(p.rate.perSecond(now)*dial.Seconds()+0.99), minSpares), maxSpares)
}

// dialSession dials one session and gives it to who waits.
func (p *pod) dialSession(ctx context.Context, ep Endpoint, admitted *admission) {
	ctx, cancel := context.WithTimeout(ctx, p.pool.cfg.Dial)
	defer cancel()
	conn, err := p.pool.up.dial(ctx, ep)
	if refused := admitted.wait(ctx); refused != nil {
		if err == nil {
			conn.Close()
		}
		err = refused
	}
	now := time.Now()
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	p.dialling--
	p.pool.total--
	switch {
	case err != nil:
		p.failedAt = now
		p.pool.cfg.Log.Debug().Err(err).Str("pod", ep.Pod).Str("namespace", ep.Namespace).Msg("no session")
		p.failAll(err)
		return
	case p.pool.ended:
		conn.Close() // of no more use
		p.failAll(net.ErrClosed)
		return
	}
	p.pool.total++
	p.pool.stats.Dialled++
	p.pool.useCredentials(conn.who)
	s := newSession(p, conn, now)
	p.sessions = append(p.sessions, s)
	p.idle = slices.Insert(p.idle, 0, s) // unused ones come after those whose window is open
	p.serve(now)
	if p.withdrawn && s.users == 0 {
		s.remove("")
	}
	s.startWatching()
	p.pool.kick()
}

// admissionLasts is for how long the sessions that are made with a Pod share an admission: those of a burst, and its spares.
const admissionLasts = 2 * time.Second

// An admission is what Admit says of a Pod with which sessions are made.
type admission struct {
	begun time.Time
	done  chan struct{}
	err   error // of use when done is closed
}

// beginAdmission asks Admit about p.
func (p *pod) beginAdmission(now time.Time) *admission {
	a := &admission{begun: now, done: make(chan struct{})}
	ask := func(ctx context.Context) {
		defer close(a.done)
		ctx, cancel := context.WithTimeout(ctx, p.pool.cfg.Dial)
		defer cancel()
		a.err = p.pool.cfg.Admit(ctx, p.id.namespace, p.id.name)
	}
	if !p.pool.spawn(ask) {
		a.err = net.ErrClosed
		close(a.done)
	}
	return a
}

// wait returns what Admit says.
func (a *admission) wait(ctx context.Context) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
