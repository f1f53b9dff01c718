package kube

import (
	"context"
	"sync"
	"time"
)

// maxCached bounds the number of things a cache remembers, and maxCachedMemory what they cost in all, in bytes: the answer
// that came last is kept whatever it costs.
const (
	maxCached       = 1024
	maxCachedMemory = 8 << 20
)

// A shelfLife says how long an answer counts, from when it came.
type shelfLife struct {
	fresh  time.Duration // it is given
	stale  time.Duration // it is given still, and asked for anew beside that
	kept   time.Duration // it is asked for anew first, and given when that question stays without an answer
	silent bool          // it is no answer: the question reached nobody who knows
}

func (l shelfLife) longest() time.Duration { return max(l.fresh, l.stale, l.kept) }

// A cache remembers answers and lets one request answer all who ask the same meanwhile. What nobody asks for is never
// asked for anew.
type cache[K comparable, V any] struct {
	lasts func(V, error) shelfLife
	costs func(V) int // bytes of memory that an answer takes; nil where all are small

	mu      sync.Mutex
	entries map[K]*entry[V]
	flights sync.WaitGroup
	life    context.Context // of the requests, which outlive those who ask
	end     context.CancelFunc
}

// An entry is an answer, the request that will bring one, or both.
type entry[V any] struct {
	answer   *answer[V]
	flight   *flight[V]
	retry    time.Time // until then an answer that could not be had anew is given
	outdated time.Time // what was asked for before is of no use
}

type answer[V any] struct {
	value      V
	err        error
	asked, got time.Time
	lasts      shelfLife
}

// A flight is a request under way.
type flight[V any] struct {
	answer[V]
	done     chan struct{} // closed once the answer is there
	waiting  int           // guarded by the cache's lock, as is renewing
	renewing bool          // it goes on though nobody waits
	cancel   context.CancelFunc
}

func newCache[K comparable, V any](lasts func(V, error) shelfLife) *cache[K, V] {
	c := &cache[K, V]{lasts: lasts, entries: map[K]*entry[V]{}}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// get gives the answer for key and the time it was asked for, by fetch when there is no answer that still counts. The
// request goes on while anyone waits for it: ctx ends only this caller's wait.
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

// each calls do with every answer there is that is no error. do must not use the cache.
func (c *cache[K, V]) each(do func(K, V)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if e.answer != nil && e.answer.err == nil {
			do(key, e.answer.value)
		}
	}
}

// start asks for key, if there is no answer that counts, and waits for nothing.
func (c *cache[K, V]) start(key K, fetch func(context.Context) (V, error)) {
	if _, f := c.join(key, fetch); f != nil {
		c.mu.Lock()
		f.renewing = true
		c.mu.Unlock()
		c.leave(key, f)
	}
}

// peek gives an answer that may be kept, without asking.
func (c *cache[K, V]) peek(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil || e.answer == nil || e.answer.err != nil || time.Since(e.answer.got) >= e.answer.lasts.longest() {
		return value, false
	}
	return e.answer.value, true
}

// put makes value the answer for key, as if it had been asked for just now.
func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	e := c.entries[key]
	if e == nil {
		c.makeRoom(now)
		e = &entry[V]{}
		c.entries[key] = e
	}
	e.answer, e.retry = &answer[V]{value: value, asked: now, got: now, lasts: c.lasts(value, nil)}, time.Time{}
	c.trim(e)
}

// join gives the answer, or the flight to wait for.
func (c *cache[K, V]) join(key K, fetch func(context.Context) (V, error)) (*answer[V], *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	e := c.entries[key]
	if e == nil {
		c.makeRoom(now)
		e = &entry[V]{}
		c.entries[key] = e
	}
	if e.flight != nil && e.flight.asked.Before(e.outdated) {
		e.flight = nil // those who wait for it get it, and nobody else
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

// launch begins a request. mu is held.
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

// land takes what a flight brought.
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

// leave ends a caller's interest. A request that nobody waits for any more is given up and forgotten.
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

// forget drops an answer that was asked for at the given time or before, and keeps a newer one.
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

func (c *cache[K, V]) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// makeRoom drops what has expired, and when that is not enough, any quarter of the answers. mu is held.
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

// trim drops answers, other than the latest, while all of them cost too much. mu is held.
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

// stop ends the requests under way and returns when there is none. Nobody may ask any more.
func (c *cache[K, V]) stop() {
	c.end()
	c.flights.Wait()
}
