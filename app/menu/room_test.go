package menu

import (
	"fmt"
	"testing"
	"time"

	"fairlead/app/session"
)

// On a low screen the menu has no more lines than there is room for, and still contains every context once.
func TestMenusFitOnLowScreens(t *testing.T) {
	for name, s := range snapshots() {
		if len(s.Problems) > 0 {
			continue // they are shown in any case
		}
		for room := range 30 {
			x := extras()
			x.Lines = max(1, room)
			t.Run(fmt.Sprint(name, "/", x.Lines), func(t *testing.T) { fits(t, s, x) })
		}
	}
}

func TestEverythingOnFitsOnLowScreens(t *testing.T) {
	for _, count := range []int{5, 14, 60} {
		s := session.Snapshot{Version: 1}
		for _, c := range many(count, 3) {
			c.Phase, c.Wanted, c.Endpoints, c.Reason = session.Unavailable, true, session.ProxyAt("127.0.0.1:1080"), "The API server does not answer."
			s.Contexts = append(s.Contexts, c)
		}
		for _, room := range []int{10, 12, 20, 30} {
			x := extras()
			x.Lines = room
			fits(t, s, x)
		}
	}
}

func fits(t *testing.T, s session.Snapshot, x Extras) {
	t.Helper()
	const aroundContexts = 6 // the state, the URL to copy, All off, More, Quit; and "No contexts found"
	items := Build(s, x)
	if got := lines(items); got > max(x.Lines, aroundContexts+minRoom) {
		t.Errorf("%d lines, and there is room for %d:\n%s", got, x.Lines, text(items, ""))
	}
	seen := map[string]int{}
	walk(items, func(item Item) { seen[item.ID]++ })
	for _, c := range s.Contexts {
		if seen["row/"+c.Name]+seen["ask/"+c.Name] != 1 {
			t.Errorf("%q has %d lines", c.Name, seen["row/"+c.Name]+seen["ask/"+c.Name])
		}
		if c.Phase.Listening() && seen["stop/0//"+c.Name] != 1 {
			t.Errorf("%q cannot be stopped in its submenu", c.Name)
		}
	}
	for id, count := range seen {
		if count > 1 {
			t.Errorf("ID %q %d times", id, count)
		}
	}
}

// A panel reads the whole menu including submenus, so of very many contexts it shows only some.
func TestAMenuHasABoundedNumberOfLines(t *testing.T) {
	s := session.Snapshot{Version: 1, Contexts: many(60000, 3)}
	on, used := 40000, 50000
	s.Contexts[on].Phase, s.Contexts[on].Wanted, s.Contexts[on].Endpoints = session.On, true, session.ProxyAt("127.0.0.1:1080")
	s.Contexts[used].Used = time.Unix(1, 0)
	for _, room := range []int{0, 12, 40} {
		x := extras()
		x.Lines = room
		items := Build(s, x)
		seen, all := map[string]bool{}, 0
		walk(items, func(item Item) { seen[item.ID], all = true, all+1 })
		if all > 4*maxListed {
			t.Errorf("%d lines, submenus included", all)
		}
		for _, i := range []int{0, on, used} {
			if name := s.Contexts[i].Name; !seen["row/"+name] && !seen["ask/"+name] {
				t.Errorf("%q has no line", name)
			}
		}
		if !seen["contexts/more"] {
			t.Error("nothing is said of the others")
		}
	}
}
