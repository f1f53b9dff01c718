package session

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// changing is a proxy that applies changes by take.
type changing struct {
	Proxy
	take      func(ctx context.Context) error
	endpoints atomic.Pointer[Endpoints]
}

func (c *changing) Reconfigure(ctx context.Context) error { return c.take(ctx) }

func (c *changing) Endpoints() Endpoints {
	if e := c.endpoints.Load(); e != nil {
		return *e
	}
	return c.Proxy.Endpoints()
}

// withChanges makes every proxy of p one that can change.
func withChanges(p *proxies, take func(ctx context.Context, c *changing) error) Start {
	return func(ctx context.Context, name string, restored bool, health func(error)) (Proxy, error) {
		one, err := p.Start(ctx, name, restored, health)
		if err != nil {
			return nil, err
		}
		c := &changing{Proxy: one}
		c.take = func(ctx context.Context) error { return take(ctx, c) }
		return c, nil
	}
}

func TestOnlyTheContextThatChangedIsReloadedAndInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, reloads := newProxies(t), 0
		m, _ := runManager(t, Config{Start: withChanges(p, func(_ context.Context, c *changing) error {
			reloads++
			moved := ProxyAt("127.0.0.1:2080")
			c.endpoints.Store(&moved)
			return nil
		})})
		do(t, m, SetContexts{Entries: []Entry{{Name: "a", Fingerprint: "1"}, {Name: "b", Fingerprint: "1"}}})
		do(t, m, Set{Name: "a", On: true})
		do(t, m, Set{Name: "b", On: true})
		synctest.Wait()
		do(t, m, SetContexts{Entries: []Entry{{Name: "a", Fingerprint: "2", Namespace: "new"}, {Name: "b", Fingerprint: "1"}}})
		synctest.Wait()
		if reloads != 1 || p.starts["a"] != 1 || p.starts["b"] != 1 {
			t.Errorf("%d reloads, %v starts; want one reload and no other start", reloads, p.starts)
		}
		want(t, m, "a", On, "")
		if s := get(t, m, "a"); s.Endpoints.ProxyAddress() != "127.0.0.1:2080" || s.Namespace != "new" {
			t.Errorf("got %+v", s)
		}
		do(t, m, reload{"b"})
		synctest.Wait()
		if reloads != 2 {
			t.Errorf("%d reloads after Reload", reloads)
		}
		do(t, m, StopAll{})
		synctest.Wait()
		do(t, m, reload{"b"})
		if reloads != 2 {
			t.Errorf("a context that is off was reloaded")
		}
	})
}

func TestChangeThatCannotBeAppliedIsShownAndTheProxyServesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		broken := errors.New("its cluster has no server")
		m, _ := runManager(t, Config{Start: withChanges(p, func(context.Context, *changing) error { return broken })})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, reload{"a"})
		synctest.Wait()
		want(t, m, "a", On, "its cluster has no server")
		if s := get(t, m, "a"); s.Trouble != ChangeFailed {
			t.Errorf("trouble %q", s.Trouble)
		}
		p.get("a").health(errors.New("no route"))
		synctest.Wait()
		want(t, m, "a", Unavailable, "no route")
		broken = nil
		do(t, m, reload{"a"})
		p.get("a").health(nil)
		synctest.Wait()
		want(t, m, "a", On, "")
	})
}

func TestChangeThatNeedsARestartGetsOne(t *testing.T) {
	for name, start := range map[string]func(p *proxies) Start{
		"it says so": func(p *proxies) Start {
			return withChanges(p, func(context.Context, *changing) error { return ErrRestart })
		},
		"it cannot reload": func(p *proxies) Start { return p.Start },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProxies(t)
				p.drain = time.Second
				m, _ := runManager(t, Config{Start: start(p)})
				do(t, m, Set{Name: "a", On: true})
				synctest.Wait()
				do(t, m, reload{"a"})
				synctest.Wait()
				want(t, m, "a", Stopping, "")
				time.Sleep(time.Second)
				synctest.Wait()
				want(t, m, "a", On, "")
				if p.starts["a"] != 2 || !p.get("a").restored {
					t.Errorf("%d starts, the last as if after a click: %v", p.starts["a"], !p.get("a").restored)
				}
			})
		})
	}
}

func TestSwitchingOffDoesNotWaitForAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: withChanges(p, func(ctx context.Context, _ *changing) error { <-ctx.Done(); return ctx.Err() })})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, reload{"a"})
		synctest.Wait()
		do(t, m, Set{Name: "a"})
		synctest.Wait()
		want(t, m, "a", Off, "")
	})
}

func TestContextTurnsItselfOffInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saved := map[string]bool{}
		m, _ := runManager(t, Config{Start: newProxies(t).Start, Save: func(name string, on bool) error { saved[name] = on; return nil }})
		entry := Entry{Name: "a", AutoOff: time.Hour}
		do(t, m, SetContexts{Entries: []Entry{entry}})
		began := time.Now()
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		if s := get(t, m, "a"); !s.OffAt.Equal(began.Add(time.Hour)) || !s.Since.Equal(began) || !s.Used.Equal(began) {
			t.Errorf("since %v, off at %v, used %v", s.Since, s.OffAt, s.Used)
		}
		time.Sleep(30 * time.Minute)
		entry.AutoOff = 2 * time.Hour // counts from when it began to listen
		do(t, m, SetContexts{Entries: []Entry{entry}})
		time.Sleep(90*time.Minute - time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, m, "a", Off, "")
		if s := get(t, m, "a"); !s.OffAt.IsZero() || !s.Since.IsZero() || s.Wanted {
			t.Errorf("got %+v", s)
		}
		if saved["a"] {
			t.Error("switching off was not saved")
		}
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, AutoOff{Name: "a"})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		want(t, m, "a", On, "")
		do(t, m, AutoOff{Name: "a", After: time.Minute})
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, m, "a", Off, "")
	})
}

func TestAContextCanBeStartedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := runManager(t, Config{Start: newProxies(t).Start})
		entry := Entry{Name: "a", Production: true, AutoOff: 8 * time.Hour}
		do(t, m, SetContexts{Entries: []Entry{entry}})
		began := time.Now()
		do(t, m, Set{Name: "a", On: true, Confirmed: true, For: time.Hour})
		synctest.Wait()
		entry.AutoOff = 9 * time.Hour // the user has said otherwise
		do(t, m, SetContexts{Entries: []Entry{entry}})
		if s := get(t, m, "a"); !s.OffAt.Equal(began.Add(time.Hour)) {
			t.Errorf("off at %v", s.OffAt)
		}
		time.Sleep(30 * time.Minute)
		do(t, m, Restart{Name: "a"})
		synctest.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		want(t, m, "a", Off, "")
		began = time.Now()
		do(t, m, Set{Name: "a", On: true, Confirmed: true})
		synctest.Wait()
		if s := get(t, m, "a"); !s.OffAt.Equal(began.Add(9 * time.Hour)) {
			t.Errorf("the next time it is off at %v", s.OffAt)
		}
	})
}

func TestTimerOfAnEarlierRunTurnsNothingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := runManager(t, Config{Start: newProxies(t).Start})
		do(t, m, SetContexts{Entries: []Entry{{Name: "a", AutoOff: time.Hour}}})
		do(t, m, Set{Name: "a", On: true})
		time.Sleep(59 * time.Minute)
		do(t, m, Set{Name: "a"})
		synctest.Wait()
		do(t, m, Set{Name: "a", On: true})
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		want(t, m, "a", On, "")
	})
}

// reload is SetContexts with another Fingerprint for one context.
type reload struct{ name string }

func (i reload) apply(m *Manager) error {
	s, err := m.find(i.name)
	if err != nil {
		return err
	}
	s.reload()
	return nil
}
