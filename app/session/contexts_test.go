package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestContextsThatCannotBeUsedOrAreUnknownAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := runManager(t, Config{Start: newProxies(t).Start})
		if err := m.Do(t.Context(), Set{Name: "c", On: true}); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "It has no server.") {
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
		do(t, m, Set{Name: "a", On: true})
		do(t, m, Set{Name: "b", On: true})
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
			t.Errorf("%d switches saved, want only the two clicks", saves)
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
		do(t, m, Set{Name: "a", On: true})
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
		do(t, m, Set{Name: "b", On: true})
		synctest.Wait()
		lost()
		do(t, m, StopAll{})
		do(t, m, SetContexts{Entries: []Entry{{Name: "b"}}})
		synctest.Wait()
		want(t, m, "b", Off, "")
		if saves != 3 {
			t.Errorf("%d switches saved, want those of the three clicks", saves)
		}
	})
}

func TestContextThatComesBackInTimeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.drain = time.Second
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, SetContexts{})
		do(t, m, SetContexts{Entries: []Entry{{Name: "a"}}})
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
		if !p.get("a").restored {
			t.Error("it starts again as if after a click")
		}
	})
}

func TestContextThatFailedStartsAgainWhenItsEntryChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		taken := errors.New("taken")
		p.start = func(context.Context, string) error { return taken }
		m, _ := runManager(t, Config{Start: p.Start})
		entries := func(fingerprint, problem string, production bool) {
			t.Helper()
			do(t, m, SetContexts{Entries: []Entry{{Name: "a", Fingerprint: fingerprint, Problem: problem, Production: production}}})
			synctest.Wait()
		}
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		p.start = nil
		entries("", "", false) // as before
		want(t, m, "a", Failed, "taken")
		entries("1", "Half of it is missing.", false)
		want(t, m, "a", Failed, "taken")
		entries("2", "", true)
		want(t, m, "a", Failed, "taken") // it asks
		entries("3", "", false)
		want(t, m, "a", On, "")
		if !p.get("a").restored {
			t.Error("it starts again as if after a click")
		}
	})
}

func TestContextThatCannotBeUsedYetIsOnWhenItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := runManager(t, Config{Start: newProxies(t).Start})
		for _, when := range []bool{false, true} {
			if err := m.Do(t.Context(), Set{Name: "c", On: true, WhenUsable: when}); !errors.Is(err, ErrUnusable) {
				t.Errorf("Do() = %v", err)
			}
			do(t, m, SetContexts{Entries: []Entry{{Name: "c"}}})
			synctest.Wait()
			if phase := get(t, m, "c").Phase; (phase == On) != when {
				t.Errorf("it is %s when it can be used, asked for: %t", phase, when)
			}
			do(t, m, SetContexts{Entries: []Entry{{Name: "c", Problem: "It has no server."}}})
		}
	})
}

func TestAConfirmationCanHoldForTheWholeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := runManager(t, Config{Start: newProxies(t).Start, ConfirmedOnce: true})
		production := SetContexts{Entries: []Entry{{Name: "a", Production: true}, {Name: "b", Production: true}}}
		do(t, m, production)
		do(t, m, Set{Name: "a", On: true, Confirmed: true})
		synctest.Wait()
		do(t, m, SetContexts{})
		synctest.Wait()
		do(t, m, production)
		synctest.Wait()
		want(t, m, "a", On, "")
		want(t, m, "b", Off, "")
		if err := m.Do(t.Context(), Set{Name: "b", On: true}); !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("Do() = %v", err)
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
