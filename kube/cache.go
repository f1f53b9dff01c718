package kube

import (
	"context"
	"sync"
	"time"
)

// maxCached bounds the number of answers in a cache, and maxCachedMemory their memory in bytes. The latest answer is kept
// whatever its size.
const (
	maxCached       = 1024
	maxCachedMemory = 8 << 20
)

// A shelfLife is how long an answer is used, by its age.
type shelfLife struct {
	fresh  time.Duration // until then it is used
	stale  time.Duration // until then it is used, and renewed in the background
	kept   time.Duration // until then it is renewed first, and used if that brings no answer
	silent bool          // it is not an answer, but an error that says nothing about the question
}

func (l shelfLife) longest() time.Duration { return max(l.fresh, l.stale, l.kept) }

// A cache keeps answers, and makes one request for all callers that ask for the same key at the same time. An answer is
// renewed only when it is asked for.
type cache[K comparable, V any] struct {
	lasts func(V, error) shelfLife
	costs func(V) int // returns the memory of an answer in bytes; nil if all are small

	mu      sync.Mutex
	entries map[K]*entry[V]
	flights sync.WaitGroup
	life    context.Context // of the requests, which outlive the callers' contexts
	end     context.CancelFunc
}

// An entry has an answer, a request for one, or both.
type entry[V any] struct {
	answer   *answer[V]
	flight   *flight[V]
	retry    time.Time // until then the answer is used although a renewal failed
	outdated time.Time // answers that were asked for before are out of date
}

type answer[V any] struct {
	value      V
	err        error
	asked, got time.Time
	lasts      shelfLife
}

// A flight is a running request.
type flight[V any] struct {
	answer[V]
	done     chan struct{} // closed once the answer is there
	waiting  int           // the number of callers; guarded by the cache's mu
	renewing bool          // the request continues if no caller waits; guarded by the cache's mu
	cancel   context.CancelFunc
}

func newCache[K comparable, V any](lasts func(V, error) shelfLife) *cache[K, V] {
	c := &cache[K, V]{lasts: lasts, entries: map[K]*entry[V]{}}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// get returns the answer for key, and when it was asked for. It calls fetch if there is no usable answer. The request goes
// on while any caller waits for it: ctx ends only this caller's wait.
func (c *cache[K, V]) get(ctx context.Context, key K, fetch func(context.Context) (V, error)) (V, time.Time, error) {
	a, f := c.join(key, fetch)
	if f == nil {
		return a.value, a.asked, a.err
	}
	defer c.leave(key, f)
	select {
	case <-f.done:
		return f.value, f.asked, f.err
	case <-ctx.Done():
		var none V
		return none, time.Time{}, context.Cause(ctx)
	}
}

// each calls do with every answer that is not an error. do must not use the cache.
func (c *cache[K, V]) each(do func(K, V)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if e.answer != nil && e.answer.err == nil {
			do(key, e.answer.value)
		}
	}
}

// start begins a request for key if there is no usable answer. It does not block.
func (c *cache[K, V]) start(key K, fetch func(context.Context) (V, error)) {
	if _, f := c.join(key, fetch); f != nil {
		c.mu.Lock()
		f.renewing = true
		c.mu.Unlock()
		c.leave(key, f)
	}
}

// peek returns the answer for key, even one that is only kept, without a request.
func (c *cache[K, V]) peek(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil || e.answer == nil || e.answer.err != nil || time.Since(e.answer.got) >= e.answer.lasts.longest() {
		return value, false
	}
	return e.answer.value, true
}

// put makes value the answer for key, as if it had been asked for now.
func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	e := c.entry(key, now)
	e.answer, e.retry = &answer[V]{value: value, asked: now, got: now, lasts: c.lasts(value, nil)}, time.Time{}
	c.trim(e)
}

// entry returns the entry for key, and makes one if there is none. The caller holds mu.
func (c *cache[K, V]) entry(key K, now time.Time) *entry[V] {
	e := c.entries[key]
	if e == nil {
		c.makeRoom(now)
		e = &entry[V]{}
		c.entries[key] = e
	}
	return e
}

// join returns the answer, or the flight that the caller has to wait for and leave.
func (c *cache[K, V]) join(key K, fetch func(context.Context) (V, error)) (*answer[V], *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	e := c.entry(key, now)
	if e.flight != nil && e.flight.asked.Before(e.outdated) {
		e.flight = nil // only the callers that wait for it get its answer
	}
	if a := e.answer; a != nil {
		age := now.Sub(a.got)
		if age < a.lasts.fresh || now.Before(e.retry) {
			return a, nil
		}
		if age < a.lasts.stale {
			if e.flight == nil {
				c.launch(e, now, fetch)
			}
			e.flight.renewing = true
			return a, nil
		}
	}
	if e.flight == nil {
		c.launch(e, now, fetch)
	}
	e.flight.waiting++
	return nil, e.flight
}

// launch begins a request. The caller holds mu.
func (c *cache[K, V]) launch(e *entry[V], now time.Time, fetch func(context.Context) (V, error)) {
	ctx, cancel := context.WithCancel(c.life)
	f := &flight[V]{done: make(chan struct{}), cancel: cancel}
	f.asked, e.flight = now, f
	c.flights.Go(func() {
		defer cancel()
		value, err := fetch(ctx)
		c.land(e, f, value, err)
	})
}

// land stores the outcome of a flight.
func (c *cache[K, V]) land(e *entry[V], f *flight[V], value V, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	now := time.Now()
	f.value, f.err, f.got, f.lasts = value, err, now, c.lasts(value, err)
	old := e.answer
	switch {
	case f.lasts.silent && old != nil && now.Sub(old.got) < old.lasts.longest():
		if e.flight == f {
			e.retry = now.Add(f.lasts.fresh)
		}
		f.answer = *old
	case e.flight == f && !f.asked.Before(e.outdated):
		kept := f.answer
		e.answer, e.retry = &kept, time.Time{}
		c.trim(e)
	}
	if e.flight == f {
		e.flight = nil
	}
}

// leave ends a caller's wait. The request is cancelled with its last caller, unless it is a renewal.
func (c *cache[K, V]) leave(key K, f *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiting--
	if f.waiting > 0 || f.renewing {
		return
	}
	f.cancel()
	if e := c.entries[key]; e != nil && e.flight == f {
		e.flight = nil
		if e.answer == nil {
			delete(c.entries, key)
		}
	}
}

// forget drops the answer for key if it was asked for at the given time or before.
func (c *cache[K, V]) forget(key K, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return
	}
	e.outdated = asked
	if e.answer != nil && !e.answer.asked.After(asked) {
		e.answer = nil
	}
}

// clear drops all answers.
func (c *cache[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
}

// makeRoom drops expired answers if the cache is full and, if that is not enough, a random quarter. The caller holds mu.
func (c *cache[K, V]) makeRoom(now time.Time) {
	if len(c.entries) < maxCached {
		return
	}
	for key, e := range c.entries {
		if e.flight == nil && (e.answer == nil || now.Sub(e.answer.got) > e.answer.lasts.longest()) {
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
		if e.flight == nil {
			delete(c.entries, key)
		}
	}
}

// trim drops answers other than the latest until their memory is within the bound. The caller holds mu.
func (c *cache[K, V]) trim(latest *entry[V]) {
	if c.costs == nil {
		return
	}
	total := 0
	for _, e := range c.entries {
		if e.answer != nil {
			total += c.costs(e.answer.value)
		}
	}
	for key, e := range c.entries {
		if total <= maxCachedMemory {
			return
		}
		if e == latest || e.answer == nil {
			continue
		}
		total -= c.costs(e.answer.value)
		if e.answer = nil; e.flight == nil {
			delete(c.entries, key)
		}
	}
}

// stop cancels the running requests and waits for them. The cache must not be used after that.
func (c *cache[K, V]) stop() {
	c.end()
	c.flights.Wait()
}
