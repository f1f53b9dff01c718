package portforward

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/kube/spdy"
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

// A pool holds the sessions with Pods, and what is known of the cluster while they are made and used.
type pool struct {
	cfg     Config
	up      *upgrader
	memory  *spdy.Memory
	buffers bufferPool
	asking  chan struct{} // holds a value for each call of Config.Standing
	targets targets
	kicked  chan struct{} // holds one token: housekeeping has something to do
	work    sync.WaitGroup

	requests atomic.Uint64 // stream pairs opened

	mu      sync.Mutex
	ctx     context.Context // of Run, for what it owns; nil before and after
	ended   bool
	pods    map[podID]*pod
	total   int // sessions there are or are being dialled
	rtt     time.Duration
	creds   identity
	counted Stats
	began   time.Time // of Run
	next    time.Time // when housekeeping is due
	filling int       // connections being dialled for the stash
	doubted time.Time // when a session was last found silent
	used    time.Time // when a connection was last asked for
	looked  time.Time // when the credentials were last looked at
}

func newPool(cfg Config, up *upgrader) *pool {
	pl := &pool{
		cfg: cfg, up: up, memory: spdy.NewMemory(cfg.Memory), asking: make(chan struct{}, maxAsking),
		kicked: make(chan struct{}, 1), pods: make(map[podID]*pod),
	}
	up.route.handshook, up.route.roundTrip, up.route.away = pl.measured, pl.roundTrip, cfg.Doubt
	return pl
}

// begin makes ctx the context of what the pool owns. It reports false if the pool has begun before.
func (pl *pool) begin(ctx context.Context) bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.ctx != nil || pl.ended {
		return false
	}
	pl.ctx = ctx
	return true
}

// run does the housekeeping until ctx ends, then closes the pool and waits for its goroutines.
func (pl *pool) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-pl.kicked:
		case <-timer.C:
		}
		next := pl.housekeep(ctx, time.Now())
		pl.mu.Lock()
		pl.next = time.Now().Add(next)
		pl.mu.Unlock()
		timer.Reset(next)
	}
	pl.close()
	pl.work.Wait()
}

// close ends every session and fails what waits for one.
func (pl *pool) close() {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.ended = true
	for _, p := range pl.pods {
		for _, s := range p.sessions {
			s.Close()
		}
		p.answer(nil, net.ErrClosed)
	}
	pl.up.stash.close()
}

// spawn runs work that Run waits for. mu is held. It says false after the end.
func (pl *pool) spawn(work func(ctx context.Context)) bool {
	if pl.ended || pl.ctx == nil {
		return false
	}
	ctx := pl.ctx
	pl.work.Go(func() { work(ctx) })
	return true
}

// kick makes Run do its housekeeping now.
func (pl *pool) kick() {
	select {
	case pl.kicked <- struct{}{}:
	default:
	}
}

// avoids reports whether ep's Pod is out of use, or no session could be made with it when that was last tried.
func (pl *pool) avoids(ep Endpoint, now time.Time) bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p := pl.pods[ep.pod()]
	return p != nil && (p.withdrawn || len(p.sessions) == 0 && now.Sub(p.failed) < failedLately)
}

// measured takes note of a round trip to the API server.
func (pl *pool) measured(rtt time.Duration) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.rtt == 0 || rtt < pl.rtt {
		pl.rtt = rtt
	}
}

// redialled counts a connection that went on elsewhere.
func (pl *pool) redialled() {
	pl.mu.Lock()
	pl.counted.Redialled++
	pl.mu.Unlock()
}

// roundTrip is the shortest round trip seen, 0 if none was.
func (pl *pool) roundTrip() time.Duration {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	return pl.rtt
}

type podID struct{ namespace, name, uid string }

// A pod is the sessions with one Pod. The pool's lock guards it.
type pod struct {
	pool     *pool
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
func (pl *pool) acquire(ctx context.Context, ep Endpoint) (*session, error) {
	now := time.Now()
	pl.mu.Lock()
	if pl.ended {
		pl.mu.Unlock()
		return nil, net.ErrClosed
	}
	p := pl.pods[ep.pod()]
	if p == nil {
		p = &pod{pool: pl, id: ep.pod()}
		pl.pods[p.id] = p
	}
	pl.used, p.used = now, now
	if pl.next.Sub(now) > lookEvery {
		pl.kick()
	}
	p.rate.count(now)
	c := &claim{ep: ep, since: now, got: make(chan grant, 1)}
	p.waiting = append(p.waiting, c)
	p.serve(now)
	pl.mu.Unlock()
	select {
	case g := <-c.got:
		return g.s, g.err
	case <-ctx.Done():
	}
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(other *claim) bool { return other == c })
	select {
	case g := <-c.got:
		if g.s != nil {
			g.s.putBack(now)
		}
	default:
	}
	return nil, ctx.Err()
}

// serve gives sessions to those who wait, as far as there are any, and dials more. mu is held.
func (p *pod) serve(now time.Time) {
	for len(p.waiting) > 0 {
		c := p.waiting[0]
		s := p.takeIdle(now)
		if s == nil {
			s = p.share(c, now)
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

// proved gives sessions to those who wait for a target that has just answered for the first time: they may share now.
func (pl *pool) proved(now time.Time) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	for _, p := range pl.pods {
		if len(p.waiting) > 0 {
			p.serve(now)
		}
	}
}

// refused tells those who wait for a session to ask what ep has just refused. They would be told the same by it.
func (pl *pool) refused(ep Endpoint, err error) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p := pl.pods[ep.pod()]
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
func (p *pod) share(c *claim, now time.Time) *session {
	full := !p.mayDial()
	if !full && (p.pool.rtt < near || !p.pool.targets.proven(c.ep, now)) {
		return nil
	}
	var best *session
	for _, s := range p.sessions {
		if s.users == 0 || !s.shareable(now) || !full && !(s.proven(now) && s.young(now, c.since, p.pool.rtt)) {
			continue
		}
		if best == nil || s.burden(now) < best.burden(now) {
			best = s
		}
	}
	if best != nil {
		p.pool.counted.Shared++
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

// evictable finds the idle session, of another Pod than p, that was used the longest time ago.
func (pl *pool) evictable(p *pod) *session {
	var oldest *session
	for _, other := range pl.pods {
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
func (p *pod) grow(now time.Time) {
	want := len(p.waiting) - p.dialling
	if p.pool.total <= p.pool.cfg.PerContext*3/4 && now.Sub(p.failed) >= 5*time.Second {
		ahead := want + p.spares(now, p.pool.rtt) - len(p.idle)
		if p.later(now, ahead > max(want, 0)) {
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

// later says whether the time has come for spares. They wait for a round trip: what asks for them is a first connection
// or a burst, whose own requests are on their way meanwhile, and a TLS handshake and an upgrade cost more than those. mu
// is held.
func (p *pod) later(now time.Time, missing bool) bool {
	if !missing {
		p.due = time.Time{}
		return false
	}
	if p.due.IsZero() {
		p.due = now.Add(min(p.pool.rtt, maxLater))
		p.pool.kick()
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
		p.failed = now
		p.pool.cfg.Log.Debug().Err(err).Str("pod", ep.Pod).Str("namespace", ep.Namespace).Msg("no session")
		p.answer(nil, err)
		return
	case p.pool.ended:
		conn.Close() // of no more use
		p.answer(nil, net.ErrClosed)
		return
	}
	p.pool.total++
	p.pool.counted.Dialled++
	p.pool.adopt(conn.who)
	s := newSession(p, conn, now)
	p.sessions = append(p.sessions, s)
	p.idle = slices.Insert(p.idle, 0, s) // unused ones come after those whose window is open
	p.serve(now)
	if p.withdrawn && s.users == 0 {
		s.remove("")
	}
	s.attend()
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

// adopt takes note of whose sessions are dialled now. Those of former credentials get no more connections. mu is held.
func (pl *pool) adopt(who identity) {
	if pl.creds == who {
		return
	}
	pl.creds = who
	for _, p := range pl.pods {
		for _, s := range slices.Clone(p.sessions) {
			if s.who != who {
				s.retire("credentials changed")
			}
		}
	}
}

// give attaches an attempt to its session, until giveBack.
func (a *attempt) give() {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.s.attempts = append(a.s.attempts, a)
}

// leave has a's session remember that a was left without an answer.
func (a *attempt) leave() {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.s.left = append(a.s.left, a.errs)
}

// giveBack returns the session that an attempt no longer needs. unsettled reports that it must not carry another
// connection before the runtime has ended this one.
func (a *attempt) giveBack(unsettled bool) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	s := a.s
	if i := slices.Index(s.attempts, a); i >= 0 {
		s.attempts = slices.Delete(s.attempts, i, i+1)
	}
	s.draining = s.draining || unsettled
	s.putBack(time.Now())
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

// doubtLater doubts the session of an attempt that is left, if that is still not accepted when it is due: a node may only be
// busy.
func (a *attempt) doubtLater(due time.Time) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	if a.s.suspected {
		return
	}
	a.s.suspected = a.pool.spawn(func(ctx context.Context) {
		accepted := a.acceptedBy(ctx, due)
		a.pool.mu.Lock()
		a.s.suspected = false
		a.pool.mu.Unlock()
		if !accepted {
			a.s.doubt("it accepts no stream")
		}
	})
}

// acceptedBy waits until an attempt is accepted or due, and reports whether it is, or nobody needs to know any more.
func (a *attempt) acceptedBy(ctx context.Context, due time.Time) bool {
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
func (s *session) lookAt() {
	for _, a := range s.attempts {
		// A connection takes its own lock before the forwarder's.
		s.pool.spawn(func(context.Context) { a.conn.look() })
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
