package session

import (
	"context"
	"errors"
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

func (p *proxy) Endpoints() Endpoints { return ProxyAt("127.0.0.1:1080") }

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

func TestContextIsSetOnAndOffAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(context.Context, string) error { time.Sleep(time.Second); return nil }
		p.drain = 2 * time.Second
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Set{Name: "a", On: true})
		want(t, m, "a", Starting, "")
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
		if s := get(t, m, "a"); s.Endpoints.ProxyAddress() != "127.0.0.1:1080" || !s.Wanted || s.Cluster != "east" {
			t.Errorf("got %+v", s)
		}
		want(t, m, "b", Off, "")
		do(t, m, Set{Name: "a"})
		want(t, m, "a", Stopping, "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, m, "a", Off, "")
		if s := get(t, m, "a"); s.Endpoints.ProxyAddress() != "127.0.0.1:1080" || s.Wanted {
			t.Errorf("got %+v", s)
		}
	})
}

func TestContextSetOffAndOnFastWaitsForTheFirstRunToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.drain = 2 * time.Second
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, Set{Name: "a"})
		do(t, m, Set{Name: "a", On: true})
		want(t, m, "a", Stopping, "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
		if p.starts["a"] != 2 {
			t.Errorf("%d starts, want 2", p.starts["a"])
		}
	})
}

func TestContextSetOffWhileStartingCancelsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, Set{Name: "a"})
		synctest.Wait()
		want(t, m, "a", Off, "")
	})
}

func TestFailedStartSaysWhyAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		taken := errors.New("listen tcp 127.0.0.1:1080: address in use")
		p.start = func(context.Context, string) error { return taken }
		m, _ := runManager(t, Config{Start: p.Start, Reason: func(err error) Reason {
			if !errors.Is(err, taken) {
				t.Errorf("asked for the reason of %v", err)
			}
			return Reason{Text: "The port is taken."}
		}})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		want(t, m, "a", Failed, "The port is taken.")
		p.start = nil
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		want(t, m, "a", On, "")
	})
}

func TestRestartStopsAndStartsWhatIsOnOrHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		saved := 0
		m, _ := runManager(t, Config{Start: p.Start, Save: func(string, bool) error { saved++; return nil }})
		do(t, m, SetContexts{Entries: []Entry{{Name: "a", Production: true}, {Name: "b"}}})
		if err := m.Do(t.Context(), Restart{"a"}); !errors.Is(err, ErrNotOn) {
			t.Errorf("Restart of what is off = %v", err)
		}
		if err := m.Do(t.Context(), Restart{"x"}); !errors.Is(err, ErrUnknownContext) {
			t.Errorf("Restart of what is not there = %v", err)
		}
		do(t, m, Set{Name: "a", On: true, Confirmed: true})
		synctest.Wait()
		first := p.get("a")
		do(t, m, Restart{"a"})
		synctest.Wait()
		want(t, m, "a", On, "")
		second := p.get("a")
		if second == first || p.count() != 1 {
			t.Errorf("the same proxy serves, or %d serve", p.count())
		}
		second.fail <- errors.New("over")
		synctest.Wait()
		want(t, m, "a", Failed, "over")
		do(t, m, Restart{"a"})
		synctest.Wait()
		want(t, m, "a", On, "")
		want(t, m, "b", Off, "")
		if saved != 1 {
			t.Errorf("saved %d times, want once", saved)
		}
	})
}
