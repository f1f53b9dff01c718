package kube

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errSilentTest = errors.New("nobody there")

// testCache returns a cache whose answers are fresh for 1 s, stale until 10 s and kept until 60 s, and whose errors are no
// answers.
func testCache() *cache[string, int64] {
	return newCache[string](func(_ int64, err error) shelfLife {
		if err != nil {
			return shelfLife{fresh: time.Second, silent: errors.Is(err, errSilentTest)}
		}
		return shelfLife{fresh: time.Second, stale: 10 * time.Second, kept: time.Minute}
	})
}

// A source counts its requests, and answers with their number or with an error.
type source struct {
	asked atomic.Int64
	delay time.Duration
	err   atomic.Pointer[error]
}

func (s *source) fetch(ctx context.Context) (int64, error) {
	n := s.asked.Add(1)
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := s.err.Load(); err != nil {
		return 0, *err
	}
	return n, nil
}

func (s *source) fail(err error) { s.err.Store(&err) }

func TestAnAnswerIsRenewedWhileItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := testCache(), &source{delay: 100 * time.Millisecond}
		defer c.stop()
		get := func(want int64, waits time.Duration) {
			t.Helper()
			began := time.Now()
			if got, _, err := c.get(t.Context(), "k", s.fetch); got != want || err != nil || time.Since(began) != waits {
				t.Errorf("%d, %v after %v; want %d after %v", got, err, time.Since(began), want, waits)
			}
		}
		get(1, s.delay)
		get(1, 0)
		time.Sleep(2 * time.Second)
		get(1, 0) // stale, and renewed meanwhile
		get(1, 0)
		time.Sleep(s.delay)
		synctest.Wait()
		get(2, 0)
		time.Sleep(time.Hour) // in the bubble's time
		if n := s.asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		get(3, s.delay)
	})
}

func TestAnAnswerIsKeptWhileRequestsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := testCache(), &source{}
		defer c.stop()
		get := func() (int64, error) {
			got, _, err := c.get(t.Context(), "k", s.fetch)
			return got, err
		}
		if got, err := get(); got != 1 || err != nil {
			t.Fatal(got, err)
		}
		s.fail(errSilentTest)
		time.Sleep(30 * time.Second)
		if got, err := get(); got != 1 || err != nil {
			t.Errorf("kept: %d, %v", got, err)
		}
		if got, err := get(); got != 1 || err != nil || s.asked.Load() != 2 {
			t.Errorf("kept, and not asked for again at once: %d, %v after %d questions", got, err, s.asked.Load())
		}
		time.Sleep(time.Minute)
		if _, err := get(); !errors.Is(err, errSilentTest) {
			t.Errorf("too old: %v", err)
		}
	})
}

func TestADifferentAnswerReplacesTheOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := testCache(), &source{}
		defer c.stop()
		if _, _, err := c.get(t.Context(), "k", s.fetch); err != nil {
			t.Fatal(err)
		}
		gone := errors.New("gone")
		s.fail(gone)
		time.Sleep(2 * time.Second)
		c.get(t.Context(), "k", s.fetch)
		synctest.Wait()
		if _, _, err := c.get(t.Context(), "k", s.fetch); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
	})
}

func TestAForgottenAnswerIsNotBroughtBackByAnOldRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := testCache(), &source{delay: 100 * time.Millisecond}
		defer c.stop()
		if _, _, err := c.get(t.Context(), "k", s.fetch); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		c.get(t.Context(), "k", s.fetch) // begins the second request
		time.Sleep(s.delay / 2)
		c.forget("k", time.Now()) // its answer may be out of date
		if got, _, err := c.get(t.Context(), "k", s.fetch); got != 3 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		if got, _, err := c.get(t.Context(), "k", s.fetch); got != 3 || err != nil {
			t.Errorf("then %d, %v", got, err)
		}
		time.Sleep(2 * time.Second)
		c.get(t.Context(), "k", s.fetch) // begins the fourth request
		time.Sleep(s.delay / 2)
		c.forget("k", time.Now())
		time.Sleep(s.delay) // so that its answer comes before the next use
		if got, _, err := c.get(t.Context(), "k", s.fetch); got != 5 || err != nil {
			t.Errorf("later %d, %v", got, err)
		}
	})
}

func TestARequestWithoutCallersIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := testCache(), &source{delay: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.get(ctx, "k", s.fetch); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if c.size() != 0 {
			t.Error("it is remembered")
		}
		began := time.Now()
		c.stop()
		if time.Since(began) != 0 {
			t.Error("the request went on")
		}
	})
}

func TestStopEndsARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := testCache(), &source{}
		if _, _, err := c.get(t.Context(), "k", s.fetch); err != nil {
			t.Fatal(err)
		}
		s.delay = time.Hour
		time.Sleep(2 * time.Second)
		c.get(t.Context(), "k", s.fetch)
		began := time.Now()
		c.stop()
		if time.Since(began) != 0 || s.asked.Load() != 2 {
			t.Errorf("stopped after %v, asked %d times", time.Since(began), s.asked.Load())
		}
	})
}

func (c *cache[K, V]) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}
