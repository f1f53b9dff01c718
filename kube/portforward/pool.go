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
	// parallelDials limits how many sessions with one Pod are dialled at once.
	parallelDials = 4
	minSpares     = 2
	maxSpares     = 8
	// maxSpareDelay limits how long the dialling of spare sessions is delayed.
	maxSpareDelay = 200 * time.Millisecond
	// nearRoundTrip is the round trip below which a connection waits for a session of its own and does not share one. A
	// dial takes three round trips, which is a fair price for a connection that no other can hold up.
	nearRoundTrip = 10 * time.Millisecond
)

// counts are what a pool has done since its start, for its tests.
type counts struct {
	dialled   int // sessions
	shared    int // connections put on a session that had another
	redialled int // connections that went on to another endpoint or session
	retired   int // sessions not reused because of their last use
}

// A pool holds the sessions with Pods, and what is known of the cluster while they are made and used.
type pool struct {
	cfg           Config
	up            *upgrader
	memory        *spdy.Memory
	buffers       bufferPool
	standingSlots chan struct{} // holds a value for each running call of Config.Standing
	targets       targets
	kicked        chan struct{} // holds a value when housekeeping has something to do
	work          sync.WaitGroup

	requests atomic.Uint64 // the number of stream pairs requested

	mu           sync.Mutex
	ctx          context.Context // of the pool's goroutines; nil before Run
	ended        bool
	pods         map[podID]*pod
	total        int // sessions that are open or are being dialled
	rtt          time.Duration
	creds        identity // with which new sessions are dialled
	done         counts
	began        time.Time // when Run began
	nextRun      time.Time // when housekeeping is due
	filling      int       // unbound connections that are being dialled
	doubted      time.Time // when a session was last found silent
	lastUsed     time.Time // when a connection was last requested
	credsChecked time.Time // when the credentials were last checked
}

func newPool(cfg Config, up *upgrader) *pool {
	pl := &pool{
		cfg: cfg, up: up, memory: spdy.NewMemory(cfg.Memory), standingSlots: make(chan struct{}, maxStandingCalls),
		kicked: make(chan struct{}, 1), pods: make(map[podID]*pod),
	}
	up.route.onConnect, up.route.roundTrip, up.route.unreachable = pl.observeRoundTrip, pl.roundTrip, cfg.Doubt
	return pl
}

// begin sets the context of the pool's goroutines. It reports false if the pool has begun before.
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
		pl.nextRun = time.Now().Add(next)
		pl.mu.Unlock()
		timer.Reset(next)
	}
	pl.close()
	pl.work.Wait()
}

// close ends every session and fails the waiting connections.
func (pl *pool) close() {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.ended = true
	for _, p := range pl.pods {
		for _, s := range p.sessions {
			s.Close()
		}
		p.failAll(net.ErrClosed)
	}
	pl.up.unbound.close()
}

// spawn starts a goroutine that run waits for. It reports false, and starts none, before the begin and after the end.
// mu is held.
func (pl *pool) spawn(work func(ctx context.Context)) bool {
	if pl.ended || pl.ctx == nil {
		return false
	}
	ctx := pl.ctx
	pl.work.Go(func() { work(ctx) })
	return true
}

// kick makes run do its housekeeping now.
func (pl *pool) kick() {
	select {
	case pl.kicked <- struct{}{}:
	default:
	}
}

// avoids reports whether ep's Pod is out of use, or no session could be made with it at the last try.
func (pl *pool) avoids(ep Endpoint, now time.Time) bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p := pl.pods[podOf(ep)]
	return p != nil && (p.withdrawn || len(p.sessions) == 0 && now.Sub(p.failedAt) < failedLately)
}

// observeRoundTrip records a round trip to the API server.
func (pl *pool) observeRoundTrip(rtt time.Duration) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.rtt == 0 || rtt < pl.rtt {
		pl.rtt = rtt
	}
}

// countRedial counts a connection that went on to another attempt.
func (pl *pool) countRedial() {
	pl.mu.Lock()
	pl.done.redialled++
	pl.mu.Unlock()
}

// roundTrip returns the shortest round trip seen, or 0 if none was.
func (pl *pool) roundTrip() time.Duration {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	return pl.rtt
}

// acquire returns a session with ep's Pod for one more connection: the idle one that was used last, whose TCP window is
// the widest. Without one it is a new session or, if that would take long or is not allowed, one that has a connection
// already.
func (pl *pool) acquire(ctx context.Context, ep Endpoint) (*session, error) {
	now := time.Now()
	pl.mu.Lock()
	if pl.ended {
		pl.mu.Unlock()
		return nil, net.ErrClosed
	}
	p := pl.pods[podOf(ep)]
	if p == nil {
		p = &pod{pool: pl, id: podOf(ep)}
		pl.pods[p.id] = p
	}
	pl.lastUsed, p.lastUsed = now, now
	if pl.nextRun.Sub(now) > credsCheckInterval {
		pl.kick()
	}
	p.rate.count(now)
	w := &waiter{ep: ep, since: now, got: make(chan grant, 1)}
	p.waiting = append(p.waiting, w)
	p.serve(now)
	pl.mu.Unlock()
	select {
	case g := <-w.got:
		return g.s, g.err
	case <-ctx.Done():
	}
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(other *waiter) bool { return other == w })
	select {
	case g := <-w.got:
		if g.s != nil {
			g.s.release(now)
		}
	default:
	}
	return nil, ctx.Err()
}

// serveAll gives sessions to the waiting connections after a target has answered for the first time: they may share one
// now.
func (pl *pool) serveAll(now time.Time) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	for _, p := range pl.pods {
		if len(p.waiting) > 0 {
			p.serve(now)
		}
	}
}

// failWaiting fails the connections that wait for a session to the port that has just refused one. It would refuse them
// too.
func (pl *pool) failWaiting(ep Endpoint, err error) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p := pl.pods[podOf(ep)]
	if p == nil {
		return
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool {
		if w.ep.Port != ep.Port {
			return false
		}
		w.got <- grant{err: err}
		return true
	})
}

// evictable returns the idle session, of another Pod than p, that was used the longest time ago; nil if there is none.
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

// useCredentials records the identity with which new sessions are dialled. Sessions of former credentials get no more
// connections. mu is held.
func (pl *pool) useCredentials(id identity) {
	if pl.creds == id {
		return
	}
	pl.creds = id
	for _, p := range pl.pods {
		for _, s := range slices.Clone(p.sessions) {
			if s.identity != id {
				s.retireLocked("credentials changed")
			}
		}
	}
}
