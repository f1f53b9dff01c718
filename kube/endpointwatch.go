package kube

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/objects"
)

// What watching may cost, and how often a Service is asked for where it cannot be watched.
const (
	maxWatches       = 64
	maxWatchedMemory = 16 << 20               // bytes, of the endpoints that are watched
	watchedFor       = 3 * time.Minute        // after the last use
	polledFor        = 30 * time.Second       // after the last use
	busyFor          = 10 * time.Second       // after the last use, in which polls are frequent
	busyPoll         = 500 * time.Millisecond // between polls
	quietPoll        = 5 * time.Second        // between polls when there was no use lately, or they fail
	oneInAll         = 50 * time.Millisecond  // changes within that time count as one
	firstRetry       = time.Second            // of a watch that did not last; it doubles
	longRetry        = time.Minute
	lastingLong      = 2 * api.HeadersWithin // what a watch lasts that is worth beginning again at once
)

// endpointWatches keeps the endpoints of the Services in use as the API server has them: by a watch for each, or by polls
// where there can be none. What goes wrong there is nobody's error: an answer that is not kept up to date any more counts as
// long as others do; see remember.go.
type endpointWatches struct {
	streams *api.Streams
	answers *cache[objects.ServiceKey, objects.Endpoints]
	seen    *seen
	log     zerolog.Logger
	most    int           // maxWatches; what follows is smaller in tests, too
	spared  time.Duration // busyFor
	lasts   time.Duration // watchedFor

	mu          sync.Mutex
	life        context.Context // nil outside of open and its end
	work        sync.WaitGroup
	watches     map[objects.ServiceKey]*endpointWatch
	withdrawals *withdrawals
	forbidden   map[string]time.Time // by namespace: when a watch was last refused
}

// An endpointWatch is a Service in use. The lock of endpointWatches guards it; set belongs to its goroutine, which alone
// changes it, and pods are those the withdrawals know.
type endpointWatch struct {
	key     objects.ServiceKey
	set     objects.Endpoints
	pods    map[objects.PodID]objects.Listing
	live    bool // set is what the API server has now
	used    time.Time
	changed chan struct{} // closed at the next change
	again   chan struct{} // holds a value: the connection may be dead
	doubted chan struct{} // holds a value: a dial found that set was out of date
	end     context.CancelFunc
}

func newEndpointWatches(r *resolver, c carrier.Carrier, log zerolog.Logger) *endpointWatches {
	return &endpointWatches{
		streams: r.api.Streams, answers: r.endpoints, seen: r.seen, log: log,
		most: maxWatches, spared: busyFor, lasts: watchedFor,
		withdrawals: newWithdrawals(c), watches: map[objects.ServiceKey]*endpointWatch{}, forbidden: map[string]time.Time{},
	}
}

// open lets watches begin until ctx ends. The returned function waits for them to end.
func (e *endpointWatches) open(ctx context.Context) (wait func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.life = ctx
	return func() {
		<-ctx.Done()
		e.mu.Lock()
		e.life = nil
		e.mu.Unlock()
		e.work.Wait()
	}
}

// current returns the endpoints of a Service if a watch keeps them up to date. To ask is to use the Service.
func (e *endpointWatches) current(key objects.ServiceKey) (objects.Endpoints, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.watches[key]
	if w == nil {
		return objects.Endpoints{}, false
	}
	w.used = time.Now()
	return w.set, w.live
}

// changes returns a channel that is closed at the next change of a Service's endpoints; nil while nobody watches for one.
func (e *endpointWatches) changes(key objects.ServiceKey) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.watches[key]; w != nil {
		return w.changed
	}
	return nil
}

// begin watches a Service from what is known of it on. It waits for nothing.
func (e *endpointWatches) begin(key objects.ServiceKey, set objects.Endpoints) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life == nil || e.watches[key] != nil || set.Version == "" {
		return
	}
	if len(e.watches) >= e.most && !e.dropOldest() || e.cost()+set.Cost() > maxWatchedMemory {
		return
	}
	ctx, cancel := context.WithCancel(e.life)
	w := &endpointWatch{
		key: key, set: set, pods: set.Pods(), used: time.Now(),
		changed: make(chan struct{}), again: make(chan struct{}, 1), doubted: make(chan struct{}, 1), end: cancel,
	}
	e.watches[key] = w
	e.withdrawals.change(nil, w.pods)
	e.work.Go(func() {
		defer e.drop(w)
		e.keep(ctx, w)
	})
}

// dropOldest ends the watch whose Service was not in use for longest, unless that is in use, too: watches that take turns
// would cost more than they are worth. mu is held.
func (e *endpointWatches) dropOldest() bool {
	var oldest *endpointWatch
	for _, w := range e.watches {
		if oldest == nil || w.used.Before(oldest.used) {
			oldest = w
		}
	}
	if time.Since(oldest.used) < e.spared {
		return false
	}
	e.forget(oldest)
	return true
}

// cost returns how many bytes of memory take what is watched. mu is held.
func (e *endpointWatches) cost() (bytes int) {
	for _, w := range e.watches {
		bytes += w.set.Cost()
	}
	return bytes
}

// drop ends a watch.
func (e *endpointWatches) drop(w *endpointWatch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget(w)
}

// forget takes a watch out. mu is held.
func (e *endpointWatches) forget(w *endpointWatch) {
	w.end()
	if e.watches[w.key] != w {
		return
	}
	e.setLive(w, false)
	delete(e.watches, w.key)
	e.withdrawals.drop(w.pods)
}

// restart has every watch made again: their connection may be dead.
func (e *endpointWatches) restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watches {
		e.setLive(w, false)
		signal(w.again)
	}
}

// doubt has the endpoints of a Service listed anew, since one of them turned out to be gone. A watch may lag behind, or be
// held back by a proxy.
func (e *endpointWatches) doubt(key objects.ServiceKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.watches[key]; w != nil {
		signal(w.doubted)
	}
}

// setLive notes whether a watch keeps its Service's endpoints up to date. What it knew last becomes an answer like others.
// mu is held.
func (e *endpointWatches) setLive(w *endpointWatch, live bool) {
	if w.live && !live {
		e.answers.put(w.key, w.set)
	}
	w.live = live
}

// change publishes the endpoints of a Service.
func (e *endpointWatches) change(w *endpointWatch, set objects.Endpoints) {
	pods := set.Pods()
	e.seen.endpoints(set)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watches[w.key] != w {
		return
	}
	e.withdrawals.change(w.pods, pods)
	w.set, w.pods = set, pods
	if e.cost() > maxWatchedMemory {
		e.forget(w) // what is not watched is asked for again
	}
	if !w.live {
		e.answers.put(w.key, set)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// idle returns how long a Service has not been used.
func (e *endpointWatches) idle(w *endpointWatch) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(w.used)
}

// keep keeps the endpoints of a Service up to date until it is not used any more.
func (e *endpointWatches) keep(ctx context.Context, w *endpointWatch) {
	var retries retries
	for next := time.Now(); ctx.Err() == nil; {
		if time.Now().Before(next) || !e.mayWatch(w.key.Namespace) {
			if !e.poll(ctx, w) {
				return
			}
			continue
		}
		begun := time.Now()
		err := e.watch(ctx, w)
		e.log.Debug().Str("service", w.key.Name).Str("namespace", w.key.Namespace).AnErr("cause", err).Msg("watch ended")
		switch {
		case errors.Is(err, errUnused), api.IsLoggedOut(err):
			return
		case errors.Is(err, errStale):
			e.streams.Reconnect(ctx)
		case api.AnsweredWith(err, http.StatusForbidden):
			e.refuse(w.key.Namespace)
		case time.Since(begun) >= lastingLong && !api.IsTooOld(err):
			retries.reset()
			continue
		}
		atOnce := errors.Is(err, errStale) || api.IsTooOld(err) && retries.pause == 0
		// The API server may be unreachable, which says nothing of watches, or may answer lists alone.
		pause := retries.next(err, e.list(ctx, w))
		if !atOnce {
			next = time.Now().Add(pause)
		}
	}
}

// retries are the attempts to watch a Service since a watch last lasted.
type retries struct {
	pause   time.Duration // before the next attempt
	ignored int           // attempts in a row that were not answered, though lists were
}

func (r *retries) reset() { *r = retries{} }

// next returns how long to poll before the next attempt. The last one ended with err, and listed says whether the
// endpoints could be listed after it. One attempt without an answer may be due to an API server that was unreachable at
// that moment; with two, something on the way holds watches back.
func (r *retries) next(err error, listed bool) time.Duration {
	switch {
	case !listed:
		*r = retries{pause: firstRetry}
	case errors.Is(err, context.DeadlineExceeded):
		r.ignored++
		r.pause = firstRetry
		if r.ignored > 1 {
			r.pause = longRetry
		}
	default:
		*r = retries{pause: min(max(firstRetry, 2*r.pause), longRetry)}
	}
	return r.pause
}

// mayWatch reports whether a watch is worth a try in a namespace.
func (e *endpointWatches) mayWatch(namespace string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(e.forbidden[namespace]) > forbiddenLasts
}

func (e *endpointWatches) refuse(namespace string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.forbidden) >= maxNetworks {
		clear(e.forbidden)
	}
	e.forbidden[namespace] = time.Now()
}

// poll asks for a Service once, after a pause. It returns false when that is not worth it any more.
func (e *endpointWatches) poll(ctx context.Context, w *endpointWatch) bool {
	pause := busyPoll
	if e.idle(w) > busyFor {
		pause = quietPoll
	}
	if !sleep(ctx, pause) || e.idle(w) > min(polledFor, e.lasts) || !e.streams.LoggedIn() {
		return false
	}
	return e.list(ctx, w) || sleep(ctx, quietPoll-pause)
}

// list asks for a Service's endpoints anew.
func (e *endpointWatches) list(ctx context.Context, w *endpointWatch) bool {
	set, err := objects.ListSlices(ctx, e.streams, w.key)
	if err != nil {
		return false
	}
	e.change(w, set)
	return true
}

func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var (
	errUnused = errors.New("the Service is not in use any more")
	errStale  = errors.New("the connection may be dead")
	errEnded  = errors.New("the API server ended the watch")
)

// watch follows the changes of a Service's endpoints. The error says why it ended.
func (e *endpointWatches) watch(ctx context.Context, w *endpointWatch) error {
	select {
	case <-w.again: // it was about another connection
	default:
	}
	events, err := objects.WatchSlices(ctx, e.streams, w.key, w.set.Version)
	if err != nil {
		return err
	}
	defer events.Stop()
	e.live(w, true)
	defer e.live(w, false)
	next := w.set
	defer func() { e.change(w, next) }()
	unused := time.NewTimer(e.lasts)
	defer unused.Stop()
	// The first change counts at once, and those that follow closely count together.
	var published, listed time.Time
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.again:
			return errStale
		case <-unused.C:
			left := e.lasts - e.idle(w)
			if left <= 0 {
				return errUnused
			}
			unused.Reset(left)
		case event, open := <-events.Events:
			if !open {
				return cmp.Or(events.Err, errEnded)
			}
			changed, err := next.Apply(event)
			if err != nil {
				return err
			}
			if changed && due == nil {
				due = time.After(oneInAll - time.Since(published))
			}
		case <-w.doubted:
			if time.Since(listed) > staleAfter && e.list(ctx, w) {
				next, listed = w.set, time.Now()
			}
		case <-due:
			e.change(w, next)
			published, due = time.Now(), nil
		}
	}
}

// live notes whether a watch is under way.
func (e *endpointWatches) live(w *endpointWatch, live bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setLive(w, live)
}

// signal puts a value into a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
