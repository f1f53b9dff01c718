package kube

import (
	"context"
	"sync"
	"time"
)

// maxCached bounds the number of things a cache remembers.
const maxCached = 1024

// A cache remembers answers for a short while and lets one request answer all who ask the same meanwhile.
type cache[K comparable, V any] struct {
	lasts func(V, error) time.Duration // how long an answer counts

	mu      sync.Mutex
	entries map[K]*entry[V]
	flights sync.WaitGroup
}

// An entry is an answer, or the request that will bring it.
type entry[V any] struct {
	done    chan struct{} // closed once the fields below are set
	value   V
	err     error
	asked   time.Time // when the request began
	expires time.Time

	waiting int // guarded by the cache's lock, as is cancel
	cancel  context.CancelFunc
}

func newCache[K comparable, V any](lasts func(V, error) time.Duration) *cache[K, V] {
	return &cache[K, V]{lasts: lasts, entries: map[K]*entry[V]{}}
}

// get gives the answer for key and the time it was asked for, by fetch when there is no answer that still counts. The
// request goes on while anyone waits for it: ctx ends only this caller's wait.
func (c *cache[K, V]) get(ctx context.Context, key K, fetch func(context.Context) (V, error)) (V, time.Time, error) {
	e := c.join(ctx, key, fetch)
	defer c.leave(key, e)
	select {
	case <-e.done:
		return e.value, e.asked, e.err
	case <-ctx.Done():
		var none V
		return none, time.Time{}, context.Cause(ctx)
	}
}

func (c *cache[K, V]) join(ctx context.Context, key K, fetch func(context.Context) (V, error)) *entry[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if e := c.entries[key]; e != nil && (!e.isDone() || now.Before(e.expires)) {
		e.waiting++
		return e
	}
	c.makeRoom(now)
	flight, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &entry[V]{done: make(chan struct{}), asked: now, waiting: 1, cancel: cancel}
	c.entries[key] = e
	c.flights.Go(func() {
		defer cancel()
		e.value, e.err = fetch(flight)
		e.expires = time.Now().Add(c.lasts(e.value, e.err))
		close(e.done)
	})
	return e
}

// leave ends a caller's interest. A request that nobody waits for any more is given up and forgotten.
func (c *cache[K, V]) leave(key K, e *entry[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.waiting--
	if e.waiting == 0 && !e.isDone() {
		e.cancel()
		if c.entries[key] == e {
			delete(c.entries, key)
		}
	}
}

// forget drops the answer that was asked for at the given time, and keeps a newer one.
func (c *cache[K, V]) forget(key K, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil && e.isDone() && !e.asked.After(asked) {
		delete(c.entries, key)
	}
}

// makeRoom drops what has expired, and when that is not enough, any quarter of the answers.
func (c *cache[K, V]) makeRoom(now time.Time) {
	if len(c.entries) < maxCached {
		return
	}
	for key, e := range c.entries {
		if e.isDone() && now.After(e.expires) {
			delete(c.entries, key)
		}
	}
	if len(c.entries) < maxCached {
		return
	}
	for key, e := range c.entries {
		if len(c.entries) < maxCached*3/4 {
			return
		}
		if e.isDone() {
			delete(c.entries, key)
		}
	}
}

// wait returns when no request is under way. Nobody may ask any more.
func (c *cache[K, V]) wait() { c.flights.Wait() }

func (e *entry[V]) isDone() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}
