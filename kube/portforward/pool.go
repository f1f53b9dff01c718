package portforward

import (
	"context"
	"net"
	"slices"
	"time"
)

const (
	// parallelDials bounds how many sessions with one Pod are dialled at once.
	parallelDials = 4
	minSpares     = 2
	maxSpares     = 8
	// maxLater bounds how long spares wait for those who ask for them to be through.
	maxLater = 200 * time.Millisecond
	// near is the round trip below which a connection waits for a session of its own rather than share one: dialling
	// takes three of them, and a guarantee is worth that.
	near = 10 * time.Millisecond
)

type podID struct{ namespace, name, uid string }

// A pod is the sessions with one Pod. The forwarder's lock guards it.
type pod struct {
	id       podID
	sessions []*session // all that are open
	idle     []*session // of them, those without a connection and fit for one; the last used is last
	waiting  []*claim   // who waits for a session, the oldest first
	dialling int
	failed   time.Time // when dialling last failed
	used     time.Time
	rate     rate
	due      time.Time // when spares are to be dialled; zero while none is missing

	withdrawn bool // see Withdraw: no session with it is kept for later
	standing  Standing
	unlisted  time.Time     // since when no Service leads to it; zero while one does
	asked     time.Time     // when its standing was last asked for
	answered  chan struct{} // closed when that is answered; nil when it never was asked for
	admission *admission    // of the sessions that were made last; nil before the first
}

// A claim waits for a session.
type claim struct {
	ep    Endpoint
	since time.Time
	got   chan grant // holds one
}

type grant struct {
	s   *session
	err error
}

// acquire gives a session with ep's Pod to one more connection: the idle one used last, whose TCP window is open
// widest, else a new one, else, where a new one would take long or may not be, one that has a connection already.
func (f *Forwarder) acquire(ctx context.Context, ep Endpoint) (*session, error) {
	now := time.Now()
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return nil, net.ErrClosed
	}
	p := f.pods[ep.pod()]
	if p == nil {
		p = &pod{id: ep.pod()}
		f.pods[p.id] = p
	}
	f.used, p.used = now, now
	if f.next.Sub(now) > lookEvery {
		f.kick()
	}
	p.rate.count(now)
	c := &claim{ep: ep, since: now, got: make(chan grant, 1)}
	p.waiting = append(p.waiting, c)
	f.serve(p, now)
	f.mu.Unlock()
	select {
	case g := <-c.got:
		return g.s, g.err
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(other *claim) bool { return other == c })
	select {
	case g := <-c.got:
		if g.s != nil {
			f.putBack(g.s, now)
		}
	default:
	}
	return nil, ctx.Err()
}

// serve gives sessions to those who wait, as far as there are any, and dials more. mu is held.
func (f *Forwarder) serve(p *pod, now time.Time) {
	for len(p.waiting) > 0 {
		c := p.waiting[0]
		s := p.takeIdle(now)
		if s == nil {
			s = f.share(p, c, now)
		}
		if s == nil {
			break
		}
		s.take(c.ep, now)
		c.got <- grant{s: s}
		p.waiting = p.waiting[1:]
	}
	f.grow(p, now)
}

// proved gives sessions to those who wait for a target that has just answered for the first time: they may share now.
func (f *Forwarder) proved(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pods {
		if len(p.waiting) > 0 {
			f.serve(p, now)
		}
	}
}

// refused tells those who wait for a session to ask what ep has just refused. They would be told the same by it.
func (f *Forwarder) refused(ep Endpoint, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pods[ep.pod()]
	if p == nil {
		return
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(c *claim) bool {
		if c.ep.Port != ep.Port {
			return false
		}
		c.got <- grant{err: err}
		return true
	})
}

// answer gives everyone who waits the same answer. mu is held.
func (p *pod) answer(s *session, err error) {
	for _, c := range p.waiting {
		c.got <- grant{s: s, err: err}
	}
	p.waiting = nil
}

// takeIdle gives the session that was used last, if it is fit.
func (p *pod) takeIdle(now time.Time) *session {
	for i := len(p.idle) - 1; i >= 0; i-- {
		s := p.idle[i]
		if !s.fit(now) {
			continue // housekeeping looks after it
		}
		p.idle = slices.Delete(p.idle, i, i+1)
		return s
	}
	return nil
}

// share returns a session that has a connection already, or nil. Below the caps it does so only in a burst: for a Pod that
// is far away, with connections that are as new as this one, and for targets that answered lately. One that refuses, or
// is not there any more, can hold up what shares a session with it. mu is held.
func (f *Forwarder) share(p *pod, c *claim, now time.Time) *session {
	full := !f.mayDial(p)
	if !full && (f.rtt < near || !f.targets.proven(c.ep, now)) {
		return nil
	}
	var best *session
	for _, s := range p.sessions {
		if s.users == 0 || !s.shareable(now) || !full && !(s.proven(now) && s.young(now, c.since, f.rtt)) {
			continue
		}
		if best == nil || s.burden(now) < best.burden(now) {
			best = s
		}
	}
	if best != nil {
		f.counted.Shared++
	}
	return best
}

// mayDial reports whether the caps allow one more session with p. Idle sessions with other Pods give way, and those that
// only wait for their last connection to end do not count for the Pod. mu is held.
func (f *Forwarder) mayDial(p *pod) bool {
	usable := 0
	for _, s := range p.sessions {
		if !s.retired {
			usable++
		}
	}
	if usable+p.dialling >= f.cfg.PerPod {
		return false
	}
	return f.total < f.cfg.PerContext || f.evictable(p) != nil
}

// evictable finds the idle session, of another Pod than p, that was used the longest time ago.
func (f *Forwarder) evictable(p *pod) *session {
	var oldest *session
	for _, other := range f.pods {
		if other == p {
			continue
		}
		for _, s := range other.idle {
			if oldest == nil || s.since.Before(oldest.since) {
				oldest = s
			}
		}
	}
	return oldest
}

// grow dials for those who wait, and, a moment later, some ahead of demand. mu is held.
func (f *Forwarder) grow(p *pod, now time.Time) {
	want := len(p.waiting) - p.dialling
	if f.total <= f.cfg.PerContext*3/4 && now.Sub(p.failed) >= 5*time.Second {
		ahead := want + p.spares(now, f.rtt) - len(p.idle)
		if f.later(p, now, ahead > max(want, 0)) {
			want = ahead
		}
	}
	for ; want > 0 && p.dialling < parallelDials && f.mayDial(p); want-- {
		if f.total >= f.cfg.PerContext {
			f.remove(f.evictable(p), "gives way")
		}
		ep := Endpoint{Namespace: p.id.namespace, Pod: p.id.name, UID: p.id.uid}
		if p.admission == nil || now.Sub(p.admission.begun) > admissionLasts {
			p.admission = f.beginAdmission(ep, now)
		}
		admission := p.admission
		if !f.spawn(func(ctx context.Context) { f.dialSession(ctx, p, ep, admission) }) {
			return
		}
		p.dialling++
		f.total++
	}
}

// later says whether the time has come for spares. They wait for a round trip: what asks for them is a first connection
// or a burst, whose own requests are on their way meanwhile, and a TLS handshake and an upgrade cost more than those. mu
// is held.
func (f *Forwarder) later(p *pod, now time.Time, missing bool) bool {
	if !missing {
		p.due = time.Time{}
		return false
	}
	if p.due.IsZero() {
		p.due = now.Add(min(f.rtt, maxLater))
		f.kick()
	}
	return !now.Before(p.due)
}

// spares is how many sessions to hold ready: what is asked for while one is dialled.
func (p *pod) spares(now time.Time, rtt time.Duration) int {
	if p.withdrawn || now.Sub(p.used) > time.Minute {
		return 0
	}
	dial := 3*rtt + 20*time.Millisecond
	return min(max(int(p.rate.perSecond(now)*dial.Seconds()+0.99), minSpares), maxSpares)
}

// dialSession dials one session and gives it to who waits.
func (f *Forwarder) dialSession(ctx context.Context, p *pod, ep Endpoint, admitted *admission) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Dial)
	defer cancel()
	conn, err := f.up.dial(ctx, ep)
	if refused := admitted.wait(ctx); refused != nil {
		if err == nil {
			conn.Close()
		}
		err = refused
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	p.dialling--
	f.total--
	switch {
	case err != nil:
		p.failed = now
		f.cfg.Log.Debug().Err(err).Str("pod", ep.Pod).Str("namespace", ep.Namespace).Msg("no session")
		p.answer(nil, err)
		return
	case f.ended:
		conn.Close() // of no more use
		p.answer(nil, net.ErrClosed)
		return
	}
	f.total++
	f.counted.Dialled++
	f.adopt(conn.who)
	s := newSession(f, p, conn, now)
	p.sessions = append(p.sessions, s)
	p.idle = slices.Insert(p.idle, 0, s) // unused ones come after those whose window is open
	f.serve(p, now)
	if p.withdrawn && s.users == 0 {
		f.remove(s, "")
	}
	f.attend(s)
	f.kick()
}

// admissionLasts is for how long the sessions that are made with a Pod share an admission: those of a burst, and its spares.
const admissionLasts = 2 * time.Second

// An admission is what Admit says of a Pod with which sessions are made.
type admission struct {
	begun time.Time
	done  chan struct{}
	err   error // of use when done is closed
}

// beginAdmission asks Admit about a Pod.
func (f *Forwarder) beginAdmission(ep Endpoint, now time.Time) *admission {
	a := &admission{begun: now, done: make(chan struct{})}
	ask := func(ctx context.Context) {
		defer close(a.done)
		ctx, cancel := context.WithTimeout(ctx, f.cfg.Dial)
		defer cancel()
		a.err = f.cfg.Admit(ctx, ep.Namespace, ep.Pod)
	}
	if !f.spawn(ask) {
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

// adopt takes note of whose sessions are dialled now. Those of former credentials get no more connections. mu is held.
func (f *Forwarder) adopt(who identity) {
	if f.creds == who {
		return
	}
	f.creds = who
	for _, p := range f.pods {
		for _, s := range slices.Clone(p.sessions) {
			if s.who != who {
				f.retire(s, "credentials changed")
			}
		}
	}
}

// give attaches an attempt to its session, until giveBack.
func (f *Forwarder) give(a *attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.s.attempts = append(a.s.attempts, a)
}

// leave has a's session remember that a was left without an answer.
func (f *Forwarder) leave(a *attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.s.left = append(a.s.left, a.errs)
}

// giveBack returns the session that an attempt no longer needs. unsettled reports that it must not carry another
// connection before the runtime has ended this one.
func (f *Forwarder) giveBack(a *attempt, unsettled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := a.s
	if i := slices.Index(s.attempts, a); i >= 0 {
		s.attempts = slices.Delete(s.attempts, i, i+1)
	}
	s.draining = s.draining || unsettled
	f.putBack(s, time.Now())
}

// putBack is giveBack with mu held.
func (f *Forwarder) putBack(s *session, now time.Time) {
	s.users--
	s.since = now
	switch {
	case s.users > 0:
		return
	case s.retired || s.Err() != nil || s.who != f.creds || s.pod.withdrawn:
		f.remove(s, "")
	default:
		s.pod.idle = append(s.pod.idle, s)
	}
	f.serve(s.pod, now)
	f.attend(s)
}

// attend has someone read a session that stays idle. mu is held.
func (f *Forwarder) attend(s *session) {
	if s.users == 0 && !s.watched && s.Err() == nil {
		s.watched = f.spawn(func(ctx context.Context) { f.watch(s) })
	}
}

// giveUp retires s. What is on it is not disturbed.
func (f *Forwarder) giveUp(s *session, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retire(s, why)
}

// doubt retires s, which may hold up the connections on it. Those look after themselves from then on.
func (f *Forwarder) doubt(s *session, why string) {
	if s.doubtful.Swap(true) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retire(s, why)
	f.lookAt(s)
}

// doubtLater doubts the session of an attempt that is left, if that is still not accepted when it is due: a node may only be
// busy.
func (f *Forwarder) doubtLater(a *attempt, due time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.s.suspected {
		return
	}
	a.s.suspected = f.spawn(func(ctx context.Context) {
		accepted := f.acceptedBy(ctx, a, due)
		f.mu.Lock()
		a.s.suspected = false
		f.mu.Unlock()
		if !accepted {
			f.doubt(a.s, "it accepts no stream")
		}
	})
}

// acceptedBy waits until an attempt is accepted or due, and reports whether it is, or nobody needs to know any more.
func (f *Forwarder) acceptedBy(ctx context.Context, a *attempt, due time.Time) bool {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		switch {
		case a.accepted() || a.s.Err() != nil:
			return true
		case time.Now().After(due) && a.reads(due):
			return false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return true
		}
	}
}

// lookAt has every connection on s look at its state. mu is held.
func (f *Forwarder) lookAt(s *session) {
	for _, a := range s.attempts {
		// A connection takes its own lock before the forwarder's.
		f.spawn(func(context.Context) { a.conn.look() })
	}
}

// retire keeps a session from getting more connections; it ends with its last. mu is held.
func (f *Forwarder) retire(s *session, why string) {
	if s.retired {
		return
	}
	s.retired, s.why = true, why
	f.counted.Retired++
	if s.users == 0 {
		f.remove(s, "")
	}
}

// remove ends a session. mu is held.
func (f *Forwarder) remove(s *session, why string) {
	if s == nil {
		return
	}
	p := s.pod
	if i := slices.Index(p.sessions, s); i >= 0 {
		p.sessions = slices.Delete(p.sessions, i, i+1)
		f.total--
		f.logEnd(s, why)
	}
	p.idle = slices.DeleteFunc(p.idle, func(other *session) bool { return other == s })
	s.Close() // always nil
}

// logEnd writes the one line about a session, at its end. mu is held.
func (f *Forwarder) logEnd(s *session, why string) {
	cause := s.Err()
	switch {
	case f.ended:
		why, cause = "closed", nil
	case why != "":
	case s.why != "":
		why = s.why
	case cause != nil:
		why = "ended"
	case s.who != f.creds:
		why = "credentials changed"
	default:
		why = "the Pod was withdrawn"
	}
	st := s.State()
	f.cfg.Log.Debug().Str("pod", s.pod.id.name).Str("namespace", s.pod.id.namespace).Str("carrier", s.carrier).Str("why", why).
		Int("connections", s.carried).Int64("sent_bytes", st.Sent).Int64("received_bytes", st.Received).
		Dur("lasted_ms", time.Since(s.begun)).AnErr("cause", cause).Msg("session ended")
}
