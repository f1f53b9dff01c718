package tray

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fairlead/app/menu"
	"fairlead/app/session"
)

func newTestTree() *tree { return newTree(func(title string) string { return title }) }

// labels are those of entries, in order.
func labels(entries []*entry) (all []string) {
	for _, e := range entries {
		all = append(all, fmt.Sprint(e.properties["label"].Value()))
	}
	return all
}

// check fails the test unless the tree is one: each entry once, under its own number.
func (t *tree) check(test *testing.T) {
	test.Helper()
	seen := map[int32]bool{}
	var visit func(*entry)
	visit = func(e *entry) {
		if seen[e.number] || t.entries[e.number] != e || e.number != 0 && t.numbers[e.at] != e.number {
			test.Errorf("entry %d %v is twice in the tree, or not found in it", e.number, e.at)
		}
		seen[e.number] = true
		for _, child := range e.children {
			visit(child)
		}
	}
	visit(t.root)
	if len(seen) != len(t.entries) {
		test.Errorf("%d entries are in the tree, %d are found", len(seen), len(t.entries))
	}
}

func TestEntriesKeepTheirNumbersAndTellOnlyWhatChanged(t *testing.T) {
	tree := newTestTree()
	build := func(states ...session.State) []menu.Item { return menu.Build(snapshot(states...), menu.Extras{}) }
	tree.show(build(state("a", session.Off), state("b", session.Off)))
	first := tree.entries
	if changed, moved := tree.show(build(state("a", session.Off), state("b", session.Off))); len(changed) != 0 || moved {
		t.Errorf("the same menu again: %q, %t", labels(changed), moved)
	}
	changed, moved := tree.show(build(state("a", session.Starting), state("b", session.Off)))
	if got := labels(changed); !slices.Equal(got, []string{"a  starting…", "All off"}) || moved {
		t.Errorf("to start took %q, %t", got, moved)
	}
	// Its submenu comes.
	changed, moved = tree.show(build(state("a", session.On), state("b", session.Off)))
	if got := labels(changed); !slices.Contains(got, "    a: copy, open, more") || !moved {
		t.Errorf("to be on took %q, %t", got, moved)
	}
	tree.check(t)
	// From here on nothing but looks changes, whatever happens.
	for _, phase := range []session.Phase{session.Degraded, session.On, session.Stopping, session.Off, session.Starting, session.On, session.Failed} {
		before := tree.revision
		changed, moved := tree.show(build(state("a", phase), state("b", session.Off)))
		if len(changed) == 0 || len(changed) > 7 || moved || tree.revision != before {
			t.Errorf("%s took %q, %t", phase, labels(changed), moved)
		}
		tree.check(t)
	}
	for number, was := range first {
		if now := tree.entries[number]; now == nil || now.at != was.at {
			t.Errorf("entry %d was %v, and is %v", number, was.at, now)
		}
	}
}

func TestANumberIsNeverGivenTwice(t *testing.T) {
	tree := newTestTree()
	items := func(ids ...string) (items []menu.Item) {
		for _, id := range ids {
			items = append(items, menu.Item{ID: id, Title: id, Submenu: strings.HasPrefix(id, "sub")})
		}
		return items
	}
	tree.show(items("a", "b"))
	b := tree.root.children[1].number
	tree.show(items("a"))
	if _, moved := tree.show(items("a", "b")); !moved || tree.root.children[1].number == b {
		t.Error("what came back has the number of what had gone")
	}
	leaf := tree.root.children[0].number
	tree.show([]menu.Item{{ID: "a", Title: "a", Items: items("inner")}, {ID: "b", Title: "b"}})
	if tree.root.children[0].number == leaf {
		t.Error("an entry that got a submenu is the same entry")
	}
	order := slices.Clone(tree.root.children)
	slices.Reverse(order)
	if _, moved := tree.show([]menu.Item{{ID: "b", Title: "b"}, {ID: "a", Title: "a", Items: items("inner")}}); !moved ||
		tree.root.children[0].number != order[0].number || tree.root.children[1].number != order[1].number {
		t.Error("entries that change places are others, or nobody is told")
	}
	tree.check(t)
}

func TestLayoutsAreAsDeepAndWideAsAskedFor(t *testing.T) {
	tree := newTestTree()
	tree.show([]menu.Item{{ID: "a", Title: "a", Items: []menu.Item{{ID: "b", Title: "b", Checkable: true, Checked: true}}}, {ID: "c", Separator: true}})
	all, err := tree.layout(0, -1, nil)
	if err != nil || len(all.Children) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	a := all.Children[0].Value().(layout)
	if b := a.Children[0].Value().(layout); len(a.Children) != 1 || b.Properties["toggle-state"].Value() != int32(1) || b.Properties["toggle-type"].Value() != "checkmark" {
		t.Errorf("%+v", a)
	}
	flat, err := tree.layout(0, 1, []string{"children-display", "none"})
	if err != nil || len(flat.Children) != 2 {
		t.Fatalf("%+v, %v", flat, err)
	}
	if a := flat.Children[0].Value().(layout); len(a.Children) != 0 || len(a.Properties) != 1 || a.Properties["children-display"].Value() != "submenu" {
		t.Errorf("%+v", a)
	}
	if _, err := tree.layout(77, -1, nil); err == nil {
		t.Error("there is an entry 77")
	}
	if got := tree.group([]int32{1, 77, 2}, []string{"label"}); len(got) != 2 || got[0].Number != 1 || len(got[1].Properties) != 1 {
		t.Errorf("%+v", got)
	}
	if got := tree.group(nil, nil); len(got) != 4 {
		t.Errorf("all are %+v", got)
	}
}
