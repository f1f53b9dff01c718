package menu

import (
	"fmt"
	"strings"
	"testing"

	"fairlead/app/session"
)

func TestTheCurrentContextIsMarkedAndOnTop(t *testing.T) {
	for _, count := range []int{2, maxFlat, 40, maxListed + 100} {
		for _, room := range []int{0, 12} {
			s := session.Snapshot{Version: 1}
			for i := range count {
				s.Contexts = append(s.Contexts, session.State{Name: fmt.Sprintf("c-%d", i), Phase: session.Off, Usable: true, Used: noon})
			}
			last := &s.Contexts[count-1]
			last.Current = true
			x := extras()
			x.Lines, x.First = room, Current(s)
			top := Build(s, x)[2] // below the state and a separator
			if top.ID != "row/"+last.Name || top.Title != "★ "+last.Name {
				t.Errorf("%d contexts, %d lines: the first one is %q, %s", count, room, top.ID, top.Title)
			}
			rows := 0
			walk(Build(s, x), func(item Item) {
				if item.ID == top.ID {
					rows++
				}
			})
			if rows != 1 {
				t.Errorf("%d contexts, %d lines: it has %d rows", count, room, rows)
			}
			x.First = "" // an open menu keeps its order
			walk(Build(s, x), func(item Item) {
				if star := strings.HasPrefix(item.Title, "★"); star != (item.ID == top.ID) {
					t.Errorf("%q is %q", item.ID, item.Title)
				}
			})
		}
	}
}
