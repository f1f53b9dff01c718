package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunStopsEverythingAndKeepsWhatWasWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.drain = time.Second
		saved := map[string]bool{}
		m, stop := runManager(t, Config{Start: p.Start, Save: func(name string, on bool) error { saved[name] = on; return nil }})
		do(t, m, Set{Name: "a", On: true})
		do(t, m, Set{Name: "b", On: true})
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
		if err := m.Do(t.Context(), Set{Name: "a", On: true}); !errors.Is(err, ErrNotRunning) {
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
			t.Error("restored is not set")
		}
		p.get("a").fail <- errors.New("over")
		synctest.Wait()
		want(t, m, "a", Failed, "over")
		do(t, m, Set{Name: "a", On: true}) // already wanted, so nothing is saved
		synctest.Wait()
		if p.get("a").restored {
			t.Error("restored is set after a click")
		}
	})
}

// A click may come before what an earlier run saved is read and switched on again.
func TestRestoreDoesNotUndoAClick(t *testing.T) {
	for name, off := range map[string]Intent{"by name": Set{Name: "a"}, "all": StopAll{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _ := runManager(t, Config{Start: newProxies(t).Start})
				do(t, m, Set{Name: "a", On: true})
				do(t, m, off)
				do(t, m, Set{Name: "a", On: true, Restored: true})
				synctest.Wait()
				want(t, m, "a", Off, "")
			})
		})
	}
}

// An earlier run saved the contexts as on. This one could not turn them on again, and then the user turns them off.
func TestOffIsSavedOfContextsThatWereNotTurnedOnAgain(t *testing.T) {
	for name, off := range map[string][]Intent{
		"by name": {Set{Name: "broken"}, Set{Name: "live"}, Set{Name: "a"}},
		"all":     {StopAll{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				saved := map[string]bool{"broken": true, "live": true, "missing": true, "a": true}
				m, stop := runManager(t, Config{Start: newProxies(t).Start, Save: func(name string, on bool) error { saved[name] = on; return nil }})
				do(t, m, SetContexts{Entries: []Entry{{Name: "broken", Problem: "It has no server."}, {Name: "live", Production: true}, {Name: "a"}, {Name: "b"}}})
				for _, name := range []string{"broken", "live", "missing", "a"} {
					if err := m.Do(t.Context(), Set{Name: name, On: true, Restored: true}); (err == nil) != (name == "a") {
						t.Errorf("restored %s: %v", name, err)
					}
				}
				for _, i := range off {
					do(t, m, i)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
				want := "map[a:false broken:false live:false missing:false]"
				if name == "by name" {
					want = "map[a:false broken:false live:false missing:true]"
				}
				if got := fmt.Sprint(saved); got != want {
					t.Errorf("saved %s, want %s", got, want)
				}
			})
		})
	}
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
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, Set{Name: "b", On: true})
		for range 2 {
			do(t, m, Set{Name: "a"})
			do(t, m, Set{Name: "a", On: true})
		}
		do(t, m, Set{Name: "a"})
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(saved, " "); got != "atrue btrue afalse" {
			t.Errorf("saved %s", got)
		}
	})
}

func TestTheEndDoesNotWaitForADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		m, stop := runManager(t, Config{Start: newProxies(t).Start, Save: func(string, bool) error { <-hangs; return nil }})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		begun := time.Now()
		if err := stop(); err == nil || !strings.Contains(err.Error(), "save what was switched") {
			t.Errorf("Run() = %v", err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		close(hangs)
	})
}
