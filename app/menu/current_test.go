package menu

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fairlead/app/session"
)

func TestTheCurrentContextIsMarkedAndOnTop(t *testing.T) {
	for _, count := range []int{2, 14, 40, maxListed + 100} {
		for _, room := range []int{0, 12} {
			s := session.Snapshot{Version: 1}
			for i := range count {
				s.Contexts = append(s.Contexts, session.State{Name: fmt.Sprintf("c-%d", i), Phase: session.Off, Usable: true, Used: noon})
			}
			last := &s.Contexts[count-1]
			last.Current = true
			x := extras()
			x.Lines = room
			top := Build(s, x)[3] // below the state, a separator, and the word Start
			if top.ID != "row/"+last.Name || top.Title != "★ "+last.Name {
				t.Errorf("%d contexts, %d lines: the first one is %q, %s", count, room, top.ID, top.Title)
			}
			walk(Build(s, x), func(item Item) {
				if star := strings.HasPrefix(item.Title, "★"); star != (item.ID == top.ID) {
					t.Errorf("%q is %q", item.ID, item.Title)
				}
			})
		}
	}
}

func TestOfManyContextsTheLastUsedOnesAreAboveTheGroups(t *testing.T) {
	for _, current := range []bool{false, true} {
		s := session.Snapshot{Version: 1}
		for i := range 100 {
			c := session.State{Name: fmt.Sprint("c-", i), Phase: session.Off, Usable: true}
			if i%10 == 0 {
				c.Used = noon.AddDate(0, 0, i)
			}
			c.Current = current && i == 5
			s.Contexts = append(s.Contexts, c)
		}
		var got []string
		for _, item := range Build(s, Extras{}) {
			if strings.HasPrefix(item.ID, "row/") {
				got = append(got, item.Title)
			}
		}
		want := []string{"c-90", "c-80", "c-70", "c-60", "c-50"}
		if current {
			want = append([]string{"★ c-5"}, want...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	}
}
