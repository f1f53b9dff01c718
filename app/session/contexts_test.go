package session

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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

func TestContextThatComesBackIsOnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves := 0
		m, _ := runManager(t, Config{Start: newProxies(t).Start, Save: func(string, bool) error { saves++; return nil }})
		lost := func() {
			t.Helper()
			do(t, m, SetContexts{})
			synctest.Wait()
			if got := names(m.Snapshot()); got != "" {
				t.Fatalf("contexts %s", got)
			}
		}
		do(t, m, Toggle{"a"})
		synctest.Wait()
		lost()
		do(t, m, SetContexts{Entries: []Entry{{Name: "a", Problem: "Half of it is missing."}, {Name: "b"}}})
		synctest.Wait()
		want(t, m, "a", Off, "Half of it is missing.")
		do(t, m, SetContexts{Entries: []Entry{{Name: "a"}, {Name: "b"}}})
		synctest.Wait()
		want(t, m, "a", On, "")
		want(t, m, "b", Off, "")

		lost()
		do(t, m, SetContexts{Entries: []Entry{{Name: "a", Production: true}}})
		synctest.Wait()
		want(t, m, "a", Off, "") // it asks

		do(t, m, SetContexts{Entries: []Entry{{Name: "b"}}})
		do(t, m, Toggle{"b"})
		synctest.Wait()
		lost()
		do(t, m, StopAll{})
		do(t, m, SetContexts{Entries: []Entry{{Name: "b"}}})
		synctest.Wait()
		want(t, m, "b", Off, "")
		if saves != 3 {
			t.Errorf("%d wishes saved, want those of the three clicks", saves)
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
		if !p.get("a").restored {
			t.Error("it starts again as if somebody had clicked")
		}
	})
}

func names(s Snapshot) string {
	var all []string
	for _, c := range s.Contexts {
		all = append(all, c.Name)
	}
	return strings.Join(all, " ")
}
