package tray

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fairlead/app/menu"
	"fairlead/app/session"
)

func newTestTree() *tree { return newTree(lookOf("linux", "")) }

// labels returns the labels of entries, in order.
func labels(entries []*entry) (all []string) {
	for _, e := range entries {
		all = append(all, fmt.Sprint(e.properties["label"].Value()))
	}
	return all
}

// check fails the test unless the tree is consistent: each entry once, under its own number.
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
	listening := state("a", session.On)
	if _, moved := tree.show(build(listening, state("b", session.Off))); !moved {
		t.Error("its submenu did not appear")
	}
	tree.check(t)
	// Where only words change, no entry comes or goes.
	before := tree.revision
	listening.Endpoints = session.ProxyAt("127.0.0.1:1099")
	changed, moved := tree.show(build(listening, state("b", session.Off)))
	if got := labels(changed); !slices.Contains(got, "a  –  :1099") || len(got) != 3 || moved || tree.revision != before {
		t.Errorf("another port took %q, %t", got, moved)
	}
	for _, phase := range []session.Phase{session.Unavailable, session.On, session.Stopping, session.Starting, session.On, session.Failed} {
		tree.show(build(state("a", phase), state("b", session.Off)))
		tree.check(t)
	}
	for number, was := range first {
		if now := tree.entries[number]; was.at.item != "row/a" && (now == nil || now.at != was.at) {
			t.Errorf("entry %d was %v, and is %v", number, was.at, now)
		}
	}
}

func TestANumberIsNeverGivenTwice(t *testing.T) {
	tree := newTestTree()
	items := func(ids ...string) (items []menu.Item) {
		for _, id := range ids {
			items = append(items, menu.Item{ID: id, Title: id})
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
		t.Error("entries that move are replaced, or panels get no signal")
	}
	tree.check(t)
}

func TestLayoutsAreAsDeepAsAskedForAndHaveAllProperties(t *testing.T) {
	tree := newTestTree()
	tree.show([]menu.Item{{ID: "a", Title: "a", Items: []menu.Item{{ID: "b", Title: "b", Checkable: true, Checked: true}}}, {ID: "c", Separator: true}})
	all, err := tree.layout(0, -1)
	if err != nil || len(all.Children) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	a := all.Children[0].Value().(layout)
	if b := a.Children[0].Value().(layout); len(a.Children) != 1 || b.Properties["toggle-state"].Value() != int32(1) || b.Properties["toggle-type"].Value() != "checkmark" {
		t.Errorf("%+v", a)
	}
	flat, err := tree.layout(0, 1)
	if err != nil || len(flat.Children) != 2 {
		t.Fatalf("%+v, %v", flat, err)
	}
	if a := flat.Children[0].Value().(layout); len(a.Children) != 0 || a.Properties["label"].Value() != "a" || a.Properties["children-display"].Value() != "submenu" {
		t.Errorf("%+v", a)
	}
	if _, err := tree.layout(77, -1); err == nil {
		t.Error("there is an entry 77")
	}
	if got := tree.group([]int32{1, 77, 2}, []string{"label"}); len(got) != 2 || got[0].Number != 1 || len(got[1].Properties) != 1 {
		t.Errorf("%+v", got)
	}
	if got := tree.group(nil, nil); len(got) != 4 {
		t.Errorf("all are %+v", got)
	}
}

// shell does what GNOME Shell's AppIndicator extension 46 does with a menu: it does not move entries that changed
// places.
type shell struct{ known, drawn []int32 }

// update does what its DbusMenuItem.addChild, moveChild and removeChild do, and what the view does about each.
func (s *shell) update(children []int32) {
	old := slices.Clone(s.known)
	for i, number := range children {
		if at := slices.Index(old, number); at < 0 {
			s.known = slices.Insert(s.known, i, number)
			s.drawn = slices.Insert(s.drawn, min(i, len(s.drawn)), number)
		} else {
			old = slices.Delete(old, at, at+1)
			at = slices.Index(s.known, number)
			s.known = slices.Insert(slices.Delete(s.known, at, at+1), i, number)
		}
	}
	gone := func(number int32) bool { return slices.Contains(old, number) }
	s.known, s.drawn = slices.DeleteFunc(s.known, gone), slices.DeleteFunc(s.drawn, gone)
}

func TestGNOMEShellGetsNoOrderWrong(t *testing.T) {
	tree, shell := newTestTree(), &shell{}
	tree.room = 20
	random := rand.New(rand.NewPCG(1, 2))
	renewed, kept := 0, 0
	for round := range 2000 {
		var items []menu.Item
		for _, n := range random.Perm(5)[:random.IntN(6)] {
			items = append(items, menu.Item{ID: fmt.Sprint(n), Title: "x"})
		}
		if round%2 == 0 { // the usual case
			slices.SortFunc(items, func(a, b menu.Item) int { return strings.Compare(a.ID, b.ID) })
		}
		last := tree.last
		tree.show(items)
		if tree.last == last {
			kept++
		} else {
			renewed++
		}
		var children []int32
		for _, e := range tree.root.children {
			children = append(children, e.number)
		}
		shell.update(children)
		if !slices.Equal(shell.drawn, children) {
			t.Fatalf("it draws %v, and the menu is %v", shell.drawn, children)
		}
		tree.check(t)
	}
	if kept < 100 || renewed < 100 {
		t.Errorf("%d times entries were kept, and %d times there were others", kept, renewed)
	}
}

// coveredLabels returns the entries that are left out for lack of room, in order.
func (t *tree) coveredLabels(entries []*entry) (all []string) {
	for _, e := range entries {
		if t.shownProperties(e)["visible"].Value() == false {
			all = append(all, fmt.Sprint(e.at.item))
		}
		all = append(all, t.coveredLabels(e.children)...)
	}
	return all
}

func TestOpenSubmenusGetRoomWhereTheyUnfoldInTheMenu(t *testing.T) {
	items := func(prefix string, count int) (items []menu.Item) {
		for i := range count {
			items = append(items, menu.Item{ID: fmt.Sprint(prefix, i), Title: "x"})
		}
		return items
	}
	inner := append(items("in", 3), menu.Item{ID: "deep", Items: items("deep", 12)}, menu.Item{ID: "in-line", Separator: true})
	whole := slices.Concat(items("up", 2), []menu.Item{{ID: "sub", Items: inner}, {ID: "line", Separator: true}}, items("down", 2))
	for _, test := range []struct {
		room         int
		one, deepest string // what is covered with sub open, and with deep in it
	}{
		{0, "", ""}, // submenus open elsewhere
		{20, "", ""},
		{18, "", "line down0 down1"},
		{17, "", "in-line line down0 down1"},
		{16, "", "in-line line down0 down1"},
		{11, "", "in-line line down0 down1"},
		{9, "line down0 down1", "up0 up1 in-line line down0 down1"},
		{7, "line down0 down1", "up0 up1 in0 in1 in2 in-line line down0 down1"},
	} {
		tree := newTestTree()
		tree.room = test.room
		tree.show(whole)
		number := func(id string) int32 {
			for n, e := range tree.entries {
				if e.at.item == id {
					return n
				}
			}
			t.Fatalf("there is no %q", id)
			return 0
		}
		is := func(when, want string) {
			t.Helper()
			if got := strings.Join(tree.coveredLabels(tree.root.children), " "); got != want {
				t.Errorf("with room for %d lines and %s, covered are %q and should be %q", test.room, when, got, want)
			}
			tree.check(t)
		}
		changed := tree.unfold(number("sub"), true)
		is("sub open", test.one)
		if len(changed) != len(strings.Fields(test.one)) {
			t.Errorf("panels get a signal about %q, and %q are covered", labels(changed), test.one)
		}
		tree.unfold(number("deep"), true)
		is("deep open", test.deepest)
		tree.unfold(number("deep"), false)
		is("deep closed", test.one)
		tree.unfold(number("sub"), false)
		is("sub closed", "")
		tree.unfold(number("sub"), true)
		tree.unfold(0, false)
		is("the menu closed", "")
		tree.unfold(number("sub"), true)
		changed, moved := tree.show(slices.Concat(whole, items("new", 1)))
		is("another line in the menu", "")
		if !moved || len(changed) != len(strings.Fields(test.one)) {
			t.Errorf("panels get a signal about %q, moved %t, and %q were covered", labels(changed), moved, test.one)
		}
	}
}
