package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

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
		for i := range 21 {
			do(t, m, Set{Name: "a", On: i%2 == 0})
		}
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
