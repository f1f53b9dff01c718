package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestManyIntentsAtOnceKeepTheModelConsistent(t *testing.T) {
	p := newProxies(t)
	var changes atomic.Int64
	m, stop := runManager(t, Config{Start: withChanges(p, func(context.Context, *changing) error {
		return []error{nil, ErrRestart, errors.New("cannot")}[changes.Add(1)%3]
	})})
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
	patience := time.Now().Add(30 * time.Second)
	for i := range 8 {
		clickers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			// Clicks are quick; the runs that they start may have hardly begun after the first hundreds.
			for n := 0; n < 300 || changes.Load() < 10 && time.Now().Before(patience); n++ {
				name := []string{"a", "b"}[random.IntN(2)]
				switch random.IntN(9) {
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
				case 4:
					_ = m.Do(ctx, reload{name})
				case 5:
					_ = m.Do(ctx, AutoOff{Name: name, After: time.Duration(random.IntN(3)) * time.Millisecond})
				case 6:
					print := fmt.Sprint(random.IntN(3))
					_ = m.Do(ctx, SetContexts{Entries: []Entry{{Name: "a", Fingerprint: print}, {Name: "b", Fingerprint: print}, {Name: "c", Problem: "none"}}})
				default:
					_ = m.Do(ctx, Set{Name: name, On: random.IntN(2) == 0})
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
	if changes.Load() < 10 {
		t.Errorf("only %d changes", changes.Load())
	}
	if p.started.Load() < 10 {
		t.Errorf("only %d starts", p.started.Load())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	watchers.Wait()
}
