package session

import (
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

func TestProductionStartsOnlyWhenConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, SetContexts{Entries: []Entry{{Name: "prod", Production: true}}})
		for _, i := range []Intent{Set{Name: "prod", On: true}, Set{Name: "prod", On: true, Restored: true}} {
			if err := m.Do(t.Context(), i); !errors.Is(err, ErrUnconfirmed) {
				t.Errorf("Do(%#v) = %v", i, err)
			}
		}
		want(t, m, "prod", Off, "")
		do(t, m, Set{Name: "prod", On: true, Confirmed: true})
		synctest.Wait()
		want(t, m, "prod", On, "")
		do(t, m, Set{Name: "prod", On: true}) // it is on: there is nothing to confirm
		p.get("prod").fail <- errors.New("broke")
		synctest.Wait()
		if err := m.Do(t.Context(), Set{Name: "prod", On: true}); !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("Do() of one that failed = %v", err)
		}
		do(t, m, Set{Name: "prod"})
		want(t, m, "prod", Off, "")
	})
}

func TestStateHasWhatTheEntrySays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		earlier := time.Now().Add(-time.Hour).Round(0)
		m, _ := runManager(t, Config{Start: newProxies(t).Start, Reason: func(error) Reason {
			return Reason{Text: "The login has expired.", Trouble: LoginNeeded, Login: "gcloud auth login"}
		}})
		do(t, m, SetContexts{Entries: []Entry{
			{Name: "a", File: "/k", Outside: "refuse", Current: true, Production: true, Password: true, AnyUser: true, Warning: "Open to all.", Used: earlier},
			{Name: "b", Problem: "It has no server."},
		}})
		want := State{
			Name: "a", Phase: Off, Usable: true, File: "/k", Outside: "refuse", Current: true, Production: true, Password: true, AnyUser: true,
			Warning: "Open to all.", Used: earlier,
		}
		if got := get(t, m, "a"); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
		if got := get(t, m, "b"); got.Trouble != Unusable || got.Usable {
			t.Errorf("got %+v", got)
		}
	})
}

func TestLoginNeededIsShownWithItsCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: p.Start, Reason: func(error) Reason {
			return Reason{Text: "The login has expired.", Trouble: LoginNeeded, Login: "gcloud auth login"}
		}})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		p.get("a").health(errors.New("401"))
		synctest.Wait()
		if s := get(t, m, "a"); s.Phase != Unavailable || s.Trouble != LoginNeeded || s.Login != "gcloud auth login" {
			t.Errorf("got %+v", s)
		}
		p.get("a").health(nil)
		synctest.Wait()
		if s := get(t, m, "a"); s.Phase != On || s.Trouble != "" || s.Login != "" {
			t.Errorf("got %+v", s)
		}
	})
}
