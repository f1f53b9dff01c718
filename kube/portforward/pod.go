package portforward

import (
	"context"
	"net"
	"slices"
	"time"

	"fairlead/kube/carrier"
)

type podID struct{ namespace, name, uid string }

// A pod holds the sessions with one Pod. The pool's lock guards it.
type pod struct {
	pool     *pool
	id       podID
	sessions []*session // the open ones
	idle     []*session // of them, those without a connection; the last used is last
	waiting  []*waiter  // the oldest first
	dialling int        // sessions that are being dialled
	failedAt time.Time  // when a dial last failed
	lastUsed time.Time
	rate     rate
	sparesAt time.Time // when spare sessions are to be dialled; zero while none is missing

	withdrawn bool // see Withdraw: no session with it is kept for later
	standing  carrier.Standing
	unlisted  time.Time     // since when it is in no Service; zero while it is in one
	asked     time.Time     // when its standing was last requested
	answered  chan struct{} // closed when that request is answered; nil before the first
	admission *admission    // of the sessions that were made last; nil before the first
}

// A waiter is a connection that waits for a session.
type waiter struct {
	ep    Endpoint
	since time.Time
	got   chan grant // holds one
}

// A grant is the session that a waiter gets, or why it gets none.
type grant struct {
	s   *session
	err error
}

// serve gives sessions to the waiting connections, as far as there are any, and dials more. mu is held.
func (p *pod) serve(now time.Time) {
	for len(p.waiting) > 0 {
		w := p.waiting[0]
		s := p.takeIdle(now)
		if s == nil {
			s = p.shareSession(w, now)
		}
		if s == nil {
			break
		}
		s.take(w.ep, now)
		w.got <- grant{s: s}
		p.waiting = p.waiting[1:]
	}
	p.grow(now)
}

// failAll fails all waiting connections. mu is held.
func (p *pod) failAll(err error) {
	for _, w := range p.waiting {
		w.got <- grant{err: err}
	}
	p.waiting = nil
}

// takeIdle returns the idle session that was used last and can carry a connection, or nil.
func (p *pod) takeIdle(now time.Time) *session {
	for i := len(p.idle) - 1; i >= 0; i-- {
		s := p.idle[i]
		if !s.isFit(now) {
			continue // housekeeping ends it
		}
		p.idle = slices.Delete(p.idle, i, i+1)
		return s
	}
	return nil
}

// shareSession returns a session that has a connection already, or nil. Below the limits it does so only in a burst:
// for a Pod that is far away, with connections that are as new as this one, and for targets that answered recently. A
// target that refuses, or is gone, can hold up the other connections of its session. mu is held.
func (p *pod) shareSession(w *waiter, now time.Time) *session {
	full := !p.mayDial()
	if !full && (p.pool.rtt < nearRoundTrip || !p.pool.targets.proven(w.ep, now)) {
		return nil
	}
	var best *session
	for _, s := range p.sessions {
		if s.users == 0 || !s.isShareable(now) || !full && !(s.allProven(now) && s.isYoung(now, w.since, p.pool.rtt)) {
			continue
		}
		if best == nil || s.burden(now) < best.burden(now) {
			best = s
		}
	}
	if best != nil {
		p.pool.done.shared++
	}
	return best
}

// mayDial reports whether the limits allow one more session with p. Idle sessions with other Pods can be ended for it,
// and retired sessions, which only wait for the end of their connections, do not count for the Pod. mu is held.
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

// grow dials sessions for the waiting connections and, a moment later, some ahead of demand. mu is held.
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

// sparesDue reports whether it is time to dial spare sessions. They are delayed by a round trip: the need for them
// comes with a first connection or a burst, whose own requests are sent meanwhile, and a TLS handshake and an upgrade
// cost more than those. mu is held.
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

// wantedSpares returns how many sessions to hold ready: as many as are requested while one is dialled.
func (p *pod) wantedSpares(now time.Time, rtt time.Duration) int {
	if p.withdrawn || now.Sub(p.lastUsed) > time.Minute {
		return 0
	}
	dial := 3*rtt + 20*time.Millisecond
	return min(max(int(p.rate.perSecond(now)*dial.Seconds()+0.99), minSpares), maxSpares)
}

// dialSession dials one session and gives it to a waiting connection.
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
		p.pool.cfg.Log.Debug().Err(err).Str("pod", ep.Pod).Str("namespace", ep.Namespace).Msg("session dial failed")
		p.failAll(err)
		return
	case p.pool.ended:
		conn.Close()
		p.failAll(net.ErrClosed)
		return
	}
	p.pool.total++
	p.pool.done.dialled++
	p.pool.useCredentials(conn.identity)
	s := newSession(p, conn, now)
	p.sessions = append(p.sessions, s)
	p.idle = slices.Insert(p.idle, 0, s) // taken last: the TCP windows of used sessions are wider
	p.serve(now)
	if p.withdrawn && s.users == 0 {
		s.remove("")
	}
	s.startWatching()
	p.pool.kick()
}

// admissionLasts is how long the new sessions with a Pod share an admission: those of a burst, and its spares.
const admissionLasts = 2 * time.Second

// An admission is a call of Config.Admit for a Pod with which sessions are made.
type admission struct {
	begun time.Time
	done  chan struct{}
	err   error // valid once done is closed
}

// beginAdmission calls Config.Admit for p.
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

// wait waits for the result of Admit, and returns it.
func (a *admission) wait(ctx context.Context) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A rate counts events in this second and the one before.
type rate struct {
	second time.Time
	now    int
	before int
}

// roll begins a new second if t is in one.
func (r *rate) roll(t time.Time) {
	switch passed := t.Sub(r.second); {
	case passed < time.Second:
	case passed < 2*time.Second:
		r.before, r.now, r.second = r.now, 0, r.second.Add(time.Second)
	default:
		r.before, r.now, r.second = 0, 0, t
	}
}

// count adds an event.
func (r *rate) count(t time.Time) {
	r.roll(t)
	r.now++
}

// perSecond returns how many events a second has, by the busier of the two.
func (r *rate) perSecond(t time.Time) float64 {
	r.roll(t)
	return float64(max(r.now, r.before))
}
