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

// The limits of watches, and the intervals of polls for Services that cannot be watched.
const (
	maxWatches       = 64
	maxWatchedMemory = 16 << 20               // bytes of all watched endpoints
	watchedFor       = 3 * time.Minute        // after the last use
	polledFor        = 30 * time.Second       // after the last use
	busyFor          = 10 * time.Second       // after the last use; until then polls are frequent
	busyPoll         = 500 * time.Millisecond // between frequent polls
	quietPoll        = 5 * time.Second        // between other polls, and after a poll that failed
	publishInterval  = 50 * time.Millisecond  // changes within it are published together
	firstRetry       = time.Second            // before the next watch, after one that did not last; it doubles
	longRetry        = time.Minute
	lastingLong      = 2 * api.HeadersWithin // a watch that lasted this long is begun again at once
)

// endpointWatches keeps the endpoints of the Services in use up to date: by a watch for each, or by polls if there can be no
// watch. Its failures are not reported: an answer that is no longer kept up to date is used for as long as other answers
// are, see remember.go.
type endpointWatches struct {
	streams *api.Streams
	answers *cache[objects.ServiceKey, objects.Endpoints]
	seen    *seen
	log     zerolog.Logger
	most    int           // watches at a time: maxWatches, unless a test changes it
	spared  time.Duration // a watch used within it is not dropped: busyFor, unless a test changes it
	lasts   time.Duration // how long an unused watch is kept: watchedFor, unless a test changes it

	mu          sync.Mutex
	life        context.Context // of the watches; nil unless open
	work        sync.WaitGroup
	watches     map[objects.ServiceKey]*endpointWatch
	withdrawals *withdrawals
	forbidden   map[string]time.Time // by namespace: when a watch was last refused
}

// An endpointWatch is the watch of a Service in use. The mu of endpointWatches guards it. Only its goroutine changes set, and
// reads it without mu.
type endpointWatch struct {
	key     objects.ServiceKey
	set     objects.Endpoints
	pods    map[objects.PodID]objects.Listing // as the withdrawals have them
	live    bool                              // set is kept up to date by a watch
	used    time.Time
	changed chan struct{} // closed at the next change
	stale   chan struct{} // holds a value if the connection may be dead
	doubted chan struct{} // holds a value if a dial found that set was out of date
	end     context.CancelFunc
}

func newEndpointWatches(r *resolver, c carrier.Carrier, log zerolog.Logger) *endpointWatches {
	return &endpointWatches{
		streams: r.api.Streams, answers: r.endpoints, seen: r.seen, log: log,
		most: maxWatches, spared: busyFor, lasts: watchedFor,
		withdrawals: newWithdrawals(c), watches: map[objects.ServiceKey]*endpointWatch{}, forbidden: map[string]time.Time{},
	}
}

// open allows watches until ctx ends. The returned function waits for their end.
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

// current returns the endpoints of a Service if a watch keeps them up to date. A call counts as a use of the Service.
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

// changes returns a channel that is closed at the next change of a Service's endpoints; nil if they are not watched.
func (e *endpointWatches) changes(key objects.ServiceKey) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.watches[key]; w != nil {
		return w.changed
	}
	return nil
}

// begin begins to watch a Service whose current endpoints are set. It does not block.
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
		changed: make(chan struct{}), stale: make(chan struct{}, 1), doubted: make(chan struct{}, 1), end: cancel,
	}
	e.watches[key] = w
	e.withdrawals.change(nil, w.pods)
	e.work.Go(func() {
		defer e.drop(w)
		e.keep(ctx, w)
	})
}

// dropOldest ends the watch of the Service that was used least recently. It returns false if even that one was used within
// spared: beginning and ending watches all the time would cost more than they save. The caller holds mu.
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

// cost returns the memory of all watched endpoints in bytes. The caller holds mu.
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

// forget ends and removes a watch. The caller holds mu.
func (e *endpointWatches) forget(w *endpointWatch) {
	w.end()
	if e.watches[w.key] != w {
		return
	}
	e.setLive(w, false)
	delete(e.watches, w.key)
	e.withdrawals.drop(w.pods)
}

// restart makes every watch begin again, because their connection may be dead.
func (e *endpointWatches) restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watches {
		e.setLive(w, false)
		signal(w.stale)
	}
}

// doubt makes the watch of a Service list its endpoints again, because one of them turned out to be gone. A watch may lag
// behind, or a proxy may hold its events back.
func (e *endpointWatches) doubt(key objects.ServiceKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.watches[key]; w != nil {
		signal(w.doubted)
	}
}

// setLive records whether a watch keeps its Service's endpoints up to date. When it stops to, its last endpoints become an
// answer like others. The caller holds mu.
func (e *endpointWatches) setLive(w *endpointWatch, live bool) {
	if w.live && !live {
		e.answers.put(w.key, w.set)
	}
	w.live = live
}

// change publishes new endpoints of a Service.
func (e *endpointWatches) change(w *endpointWatch, set objects.Endpoints) {
	pods := set.Pods()
	e.seen.addEndpoints(set)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watches[w.key] != w {
		return
	}
	e.withdrawals.change(w.pods, pods)
	w.set, w.pods = set, pods
	if e.cost() > maxWatchedMemory {
		e.forget(w) // without a watch the Service is asked for again
	}
	if !w.live {
		e.answers.put(w.key, set)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// idle returns the time since a Service was last used.
func (e *endpointWatches) idle(w *endpointWatch) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(w.used)
}

// keep keeps the endpoints of a Service up to date until the Service is no longer in use.
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
		// The API server may be unreachable, which says nothing about watches, or may answer only lists.
		pause := retries.next(err, e.list(ctx, w))
		if !atOnce {
			next = time.Now().Add(pause)
		}
	}
}

// retries counts the attempts to watch a Service since a watch last lasted for lastingLong.
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

// mayWatch reports whether it is worth trying a watch in a namespace.
func (e *endpointWatches) mayWatch(namespace string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(e.forbidden[namespace]) > forbiddenLasts
}

// refuse records that the user may not watch in a namespace.
func (e *endpointWatches) refuse(namespace string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.forbidden) >= maxNetworks {
		clear(e.forbidden)
	}
	e.forbidden[namespace] = time.Now()
}

// poll waits a moment and lists a Service's endpoints. It returns false if the Service should no longer be polled.
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

// list lists a Service's endpoints and publishes them, and reports whether that succeeded.
func (e *endpointWatches) list(ctx context.Context, w *endpointWatch) bool {
	set, err := objects.ListSlices(ctx, e.streams, w.key)
	if err != nil {
		return false
	}
	e.change(w, set)
	return true
}

// sleep waits, and reports false if ctx ended first.
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

// watch publishes changes of a Service's endpoints until the watch ends. The error says why it ended.
func (e *endpointWatches) watch(ctx context.Context, w *endpointWatch) error {
	select {
	case <-w.stale: // it was about the last connection
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
	// The first change is published at once, and those that follow within publishInterval together.
	var published, listed time.Time
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.stale:
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
				due = time.After(publishInterval - time.Since(published))
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

// live records whether a watch is under way.
func (e *endpointWatches) live(w *endpointWatch, live bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setLive(w, live)
}

// signal sends to a channel with a buffer of one, unless it is full.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
