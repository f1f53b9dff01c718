package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// proxies stands in for the real proxies, and checks that no context ever has two.
type proxies struct {
	t       *testing.T
	mutex   sync.Mutex
	open    map[string]*proxy
	starts  map[string]int
	start   func(ctx context.Context, name string) error // what Start does before it returns
	drain   time.Duration                                // how long Serve takes to end
	deaf    func() <-chan struct{}                       // if set, Serve waits for it instead of ctx
	started atomic.Int64
}

type proxy struct {
	all      *proxies
	name     string
	restored bool
	health   func(error)
	fail     chan error
}

func newProxies(t *testing.T) *proxies {
	return &proxies{t: t, open: make(map[string]*proxy), starts: make(map[string]int)}
}

func (p *proxies) Start(ctx context.Context, name string, restored bool, health func(error)) (Proxy, error) {
	p.started.Add(1)
	if p.start != nil {
		if err := p.start(ctx, name); err != nil {
			return nil, err
		}
	}
	one := &proxy{all: p, name: name, restored: restored, health: health, fail: make(chan error, 1)}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.open[name] != nil {
		p.t.Errorf("context %s: started while it runs", name)
	}
	p.open[name] = one
	p.starts[name]++
	return one, nil
}

func (p *proxies) get(name string) *proxy {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.open[name]
}

func (p *proxies) count() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return len(p.open)
}

func (p *proxy) Address() string { return "127.0.0.1:1080" }

func (p *proxy) Serve(ctx context.Context) error {
	defer func() {
		p.all.mutex.Lock()
		defer p.all.mutex.Unlock()
		delete(p.all.open, p.name)
	}()
	if p.all.deaf != nil {
		<-p.all.deaf()
		return nil
	}
	select {
	case err := <-p.fail:
		return err
	case <-ctx.Done():
		time.Sleep(p.all.drain) // in a bubble: virtual
		return nil
	}
}

// runManager starts a manager with contexts a, b and c, which cannot be used, and stops it when the test ends.
func runManager(t *testing.T, c Config) (m *Manager, stop func() error) {
	t.Helper()
	m = New(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	do(t, m, SetContexts{Entries: []Entry{{Name: "a", Cluster: "east"}, {Name: "b"}, {Name: "c", Problem: "It has no server."}}})
	return m, stop
}

func do(t *testing.T, m *Manager, i Intent) {
	t.Helper()
	if err := m.Do(t.Context(), i); err != nil {
		t.Fatalf("Do(%#v) = %v", i, err)
	}
}

func get(t *testing.T, m *Manager, name string) State {
	t.Helper()
	for _, s := range m.Snapshot().Contexts {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("context %s is not in %+v", name, m.Snapshot())
	return State{}
}

func want(t *testing.T, m *Manager, name string, phase Phase, reason string) {
	t.Helper()
	if s := get(t, m, name); s.Phase != phase || s.Reason != reason {
		t.Errorf("context %s is %s (%q), want %s (%q)", name, s.Phase, s.Reason, phase, reason)
	}
}

func TestToggleTurnsOnAndOffAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(context.Context, string) error { time.Sleep(time.Second); return nil }
		p.drain = 2 * time.Second
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Toggle{"a"})
		want(t, m, "a", Starting, "")
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
		if s := get(t, m, "a"); s.Address != "127.0.0.1:1080" || !s.Wanted || s.Cluster != "east" {
			t.Errorf("got %+v", s)
		}
		want(t, m, "b", Off, "")
		do(t, m, Toggle{"a"})
		want(t, m, "a", Stopping, "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, m, "a", Off, "")
		if s := get(t, m, "a"); s.Address != "127.0.0.1:1080" || s.Wanted {
			t.Errorf("got %+v", s)
		}
	})
}

func TestToggleTwiceFastWaitsForTheFirstRunToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.drain = 2 * time.Second
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		do(t, m, Toggle{"a"})
		do(t, m, Toggle{"a"})
		want(t, m, "a", Stopping, "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
		if p.starts["a"] != 2 {
			t.Errorf("%d starts, want 2", p.starts["a"])
		}
	})
}

func TestToggleOffWhileStartingCancelsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		do(t, m, Toggle{"a"})
		synctest.Wait()
		want(t, m, "a", Off, "")
	})
}

func TestFailedStartSaysWhyAndNextToggleTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		taken := errors.New("listen tcp 127.0.0.1:1080: address in use")
		p.start = func(context.Context, string) error { return taken }
		m, _ := runManager(t, Config{Start: p.Start, Reason: func(err error) string {
			if !errors.Is(err, taken) {
				t.Errorf("asked for the reason of %v", err)
			}
			return "The port is taken."
		}})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		want(t, m, "a", Failed, "The port is taken.")
		p.start = nil
		do(t, m, Toggle{"a"})
		synctest.Wait()
		want(t, m, "a", On, "")
	})
}

func TestHangingStartFailsInTimeAndIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		m, _ := runManager(t, Config{Start: p.Start, StartWithin: 5 * time.Second})
		do(t, m, Toggle{"a"})
		time.Sleep(5*time.Second - time.Nanosecond)
		synctest.Wait()
		want(t, m, "a", Starting, "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		want(t, m, "a", Failed, "It did not start within 5s.")
		time.Sleep(time.Minute)
		want(t, m, "a", Failed, "It did not start within 5s.")
		do(t, m, Set{Name: "a"})
		want(t, m, "a", Off, "")
	})
}

func TestToggleAfterAHangingStartBeginsAnewOnceItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(ctx context.Context, _ string) error { <-ctx.Done(); time.Sleep(3 * time.Second); return ctx.Err() }
		m, _ := runManager(t, Config{Start: p.Start, StartWithin: 5 * time.Second})
		do(t, m, Toggle{"a"})
		time.Sleep(6 * time.Second)
		synctest.Wait()
		p.start = nil
		do(t, m, Toggle{"a"})
		want(t, m, "a", Stopping, "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
	})
}

func TestStopThatHangsIsGivenUpAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		release := make(chan struct{})
		p.deaf = func() <-chan struct{} { return release }
		m, stop := runManager(t, Config{Start: p.Start, StopWithin: 3 * time.Second})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		do(t, m, Toggle{"a"})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		want(t, m, "a", Failed, "It did not stop within 3s.")
		if err := stop(); err == nil || err.Error() != "stop a: not done within 3s" {
			t.Errorf("Run() = %v", err)
		}
		close(release)
	})
}

func TestRunStopsEverythingAndKeepsTheWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.drain = time.Second
		saved := map[string]bool{}
		m, stop := runManager(t, Config{Start: p.Start, Save: func(name string, on bool) error { saved[name] = on; return nil }})
		do(t, m, Toggle{"a"})
		do(t, m, Toggle{"b"})
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("Run() = %v", err)
		}
		if p.count() != 0 {
			t.Errorf("%d proxies still serve", p.count())
		}
		if fmt.Sprint(saved) != "map[a:true b:true]" {
			t.Errorf("saved %v", saved)
		}
		if err := m.Do(t.Context(), Toggle{"a"}); !errors.Is(err, ErrNotRunning) {
			t.Errorf("Do() after Run = %v", err)
		}
		want(t, m, "a", Off, "")
	})
}

func TestRestoreStartsWithoutSavingAndAClickIsNoRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: p.Start, Save: func(name string, on bool) error { t.Errorf("saved %s %t", name, on); return nil }})
		do(t, m, Set{Name: "a", On: true, Restored: true})
		synctest.Wait()
		want(t, m, "a", On, "")
		if !p.get("a").restored {
			t.Error("Start was not told that it restores")
		}
		p.get("a").fail <- errors.New("over")
		synctest.Wait()
		want(t, m, "a", Failed, "over")
		do(t, m, Toggle{"a"}) // already wished for, so nothing is saved
		synctest.Wait()
		if p.get("a").restored {
			t.Error("Start was told that a click restores")
		}
	})
}

func TestProxyThatEndsByItselfHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		p.get("a").fail <- nil
		synctest.Wait()
		want(t, m, "a", Failed, errEnded.Error())
	})
}

func TestHealthTurnsOnIntoDegradedAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		health := p.get("a").health
		health(errors.New("no route"))
		synctest.Wait()
		want(t, m, "a", Degraded, "no route")
		health(errors.New("login refused"))
		synctest.Wait()
		want(t, m, "a", Degraded, "login refused")
		health(nil)
		synctest.Wait()
		want(t, m, "a", On, "")
		do(t, m, StopAll{})
		synctest.Wait()
		health(errors.New("too late"))
		synctest.Wait()
		want(t, m, "a", Off, "")
	})
}

func TestHealthToldDuringTheStartIsShownAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: func(ctx context.Context, name string, restored bool, health func(error)) (Proxy, error) {
			health(errors.New("no route"))
			time.Sleep(time.Second)
			return p.Start(ctx, name, restored, health)
		}})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		want(t, m, "a", Starting, "")
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, m, "a", Degraded, "no route")
	})
}

func TestContextsThatCannotBeUsedOrAreUnknownAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := runManager(t, Config{Start: newProxies(t).Start})
		if err := m.Do(t.Context(), Toggle{"c"}); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "It has no server.") {
			t.Errorf("Do() = %v", err)
		}
		if err := m.Do(t.Context(), Set{Name: "nope", On: true}); !errors.Is(err, ErrUnknownContext) || !strings.Contains(err.Error(), `"nope"`) {
			t.Errorf("Do() = %v", err)
		}
		if s := get(t, m, "c"); s.Usable || s.Reason != "It has no server." {
			t.Errorf("got %+v", s)
		}
	})
}

func TestContextGoneFromTheKubeconfigStopsAndDisappears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.drain = time.Second
		saves := 0
		m, _ := runManager(t, Config{Start: p.Start, Save: func(string, bool) error { saves++; return nil }})
		do(t, m, Toggle{"a"})
		do(t, m, Toggle{"b"})
		synctest.Wait()
		do(t, m, SetContexts{Entries: []Entry{{Name: "b"}, {Name: "d"}, {Name: "d", Cluster: "second"}}, Problems: []string{"oops"}})
		if got := names(m.Snapshot()); got != "b d a" {
			t.Errorf("contexts %s", got)
		}
		want(t, m, "a", Stopping, "")
		want(t, m, "b", On, "")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := names(m.Snapshot()); got != "b d" {
			t.Errorf("contexts %s", got)
		}
		if saves != 2 {
			t.Errorf("%d wishes saved, want only the two clicks", saves)
		}
	})
}

func TestContextThatComesBackInTimeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.drain = time.Second
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		do(t, m, SetContexts{})
		do(t, m, SetContexts{Entries: []Entry{{Name: "a"}}})
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
	})
}

func names(s Snapshot) string {
	var all []string
	for _, c := range s.Contexts {
		all = append(all, c.Name)
	}
	return strings.Join(all, " ")
}

func TestWatchYieldsOnlyChangesAndNeverMissesTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, stop := runManager(t, Config{Start: p.Start})
		var seen []Snapshot
		over := make(chan struct{})
		go func() {
			defer close(over)
			for s := range m.Watch(context.Background()) {
				seen = append(seen, s)
				time.Sleep(time.Second) // a slow reader
			}
		}()
		synctest.Wait()
		for range 20 {
			do(t, m, Toggle{"a"})
		}
		do(t, m, Toggle{"a"})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		quiet := len(seen)
		do(t, m, SetContexts{Entries: []Entry{{Name: "a", Cluster: "east"}, {Name: "b"}, {Name: "c", Problem: "It has no server."}}})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(seen) != quiet {
			t.Errorf("%d snapshots without a change", len(seen)-quiet)
		}
		if quiet > 3 {
			t.Errorf("a slow reader saw %d snapshots", quiet)
		}
		if last := seen[quiet-1]; last.Contexts[0].Phase != On {
			t.Errorf("last seen %+v", last)
		}
		stop()
		<-over
		if last := seen[len(seen)-1]; last.Contexts[0].Phase != Off {
			t.Errorf("last seen before the end %+v", last)
		}
	})
}

func TestSaveIsInOrderAndFailureToSaveDoesNotHurt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		var saved []string
		m, stop := runManager(t, Config{Start: p.Start, Save: func(name string, on bool) error {
			time.Sleep(time.Second)
			saved = append(saved, fmt.Sprint(name, on))
			return errors.New("disk full")
		}})
		do(t, m, Toggle{"a"})
		synctest.Wait()
		do(t, m, Toggle{"b"})
		for range 4 {
			do(t, m, Toggle{"a"})
		}
		do(t, m, Toggle{"a"})
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(saved, " "); got != "atrue btrue afalse" {
			t.Errorf("saved %s", got)
		}
	})
}

func TestHammer(t *testing.T) {
	p := newProxies(t)
	m, stop := runManager(t, Config{Start: p.Start})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var watchers, clickers sync.WaitGroup
	for range 4 {
		watchers.Go(func() {
			version := uint64(0)
			for s := range m.Watch(ctx) {
				if s.Version < version {
					t.Errorf("version %d after %d", s.Version, version)
				}
				version = s.Version
			}
		})
	}
	for i := range 8 {
		clickers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for range 300 {
				name := []string{"a", "b"}[random.IntN(2)]
				switch random.IntN(6) {
				case 0:
					_ = m.Do(ctx, StopAll{})
				case 1:
					_ = m.Do(ctx, Set{Name: name, On: true})
				case 2:
					if one := p.get(name); one != nil {
						one.health(errors.New("ill"))
					}
				case 3:
					if one := p.get(name); one != nil {
						select {
						case one.fail <- errors.New("broke"):
						default:
						}
					}
				default:
					_ = m.Do(ctx, Toggle{name})
				}
			}
		})
	}
	clickers.Wait()
	do(t, m, StopAll{})
	for s := range m.Watch(ctx) {
		if s.Contexts[0].Phase == Off && s.Contexts[1].Phase == Off {
			break
		}
	}
	if p.count() != 0 {
		t.Errorf("%d proxies still serve", p.count())
	}
	if p.started.Load() < 10 {
		t.Errorf("only %d starts", p.started.Load())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	watchers.Wait()
}
