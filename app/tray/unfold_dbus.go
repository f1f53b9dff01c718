//go:build !windows && !darwin

package tray

import (
	"slices"

	"github.com/godbus/dbus/v5"

	"fairlead/app/menu"
)

// unfolded is which submenus are open within the menu, as GNOME Shell has it, and what is not shown meanwhile to make room for them. It
// is part of a tree.
type unfolded struct {
	room    int            // how many lines the screen has room for; 0: submenus open beside the menu, and nothing need make room
	open    map[int32]bool // the submenus that are open
	covered map[int32]bool // the entries that are not shown
}

// submenuLines is how many lines of a submenu are to be seen without scrolling, if it has so many.
const submenuLines = 10

// unfold takes over that a submenu was opened or closed; closing the menu itself, which is entry 0, closes all. It returns the entries
// that come or go for it.
func (t *tree) unfold(number int32, open bool) (changed []*entry) {
	switch {
	case t.room == 0:
		return nil
	case number == 0:
		clear(t.open)
	case open:
		if t.open == nil {
			t.open = map[int32]bool{}
		}
		t.open[number] = true
	default:
		delete(t.open, number)
	}
	for number := range t.updateCovered() {
		changed = append(changed, t.entries[number])
	}
	slices.SortFunc(changed, func(a, b *entry) int { return int(a.number - b.number) })
	return changed
}

// followed reports whether GNOME Shell's extension, as it is in 2026, follows a change of a menu's entries: some are new, or some are
// gone. When entries change places, or some are gone and some are new at once, it gets their order wrong, for good; then all of them
// must be others.
func (t *tree) canFollow(parent int32, items []menu.Item, before map[int32]*entry) bool {
	if before[parent] == nil {
		return true
	}
	var was, kept []int32
	for _, e := range before[parent].children {
		was = append(was, e.number)
	}
	for _, item := range items {
		if number, known := t.numbers[placeOf(parent, item)]; known {
			kept = append(kept, number)
		}
	}
	if len(kept) < len(items) {
		return slices.Equal(was, kept)
	}
	left := slices.DeleteFunc(was, func(number int32) bool { return !slices.Contains(kept, number) })
	return slices.Equal(left, kept)
}

// shown are the properties of an entry as they are now.
func (t *tree) shown(e *entry) map[string]dbus.Variant {
	if t.covered[e.number] {
		return hidden(e.properties)
	}
	return e.properties
}

// coverAnew decides anew what is covered, and returns the numbers of entries for which that is something else than before.
func (t *tree) updateCovered() (changed map[int32]bool) {
	before := t.covered
	t.covered = t.cover()
	changed = map[int32]bool{}
	for number := range t.entries {
		if before[number] != t.covered[number] {
			changed[number] = true
		}
	}
	return changed
}

// cover finds what to leave out so that the innermost submenu that is open can be seen: nothing if there is room enough; else what is
// below open submenus, for then nothing moves under the pointer; and if that is not enough, what is above them.
func (t *tree) cover() map[int32]bool {
	if t.room == 0 {
		return nil
	}
	type level struct {
		entries []*entry
		open    int
	}
	var levels []level
	need := 0
	entries := t.root.children
	for {
		open := slices.IndexFunc(entries, func(e *entry) bool { return t.open[e.number] && isVisible(e) })
		if open < 0 {
			break
		}
		levels = append(levels, level{entries, open})
		need += height(entries)
		entries = entries[open].children
	}
	need += min(height(entries), 2*submenuLines)
	covered := map[int32]bool{}
	makeRoom := func(entries []*entry) {
		if need <= 2*t.room {
			return
		}
		need -= height(entries)
		for _, e := range entries {
			if isVisible(e) {
				covered[e.number] = true
			}
		}
	}
	for _, l := range levels {
		makeRoom(l.entries[l.open+1:])
	}
	for _, l := range levels {
		makeRoom(l.entries[:l.open])
	}
	return covered
}

// height is that of entries, in halves of a line.
func height(entries []*entry) (halves int) {
	for _, e := range entries {
		switch {
		case !isVisible(e):
		case e.at.separator:
			halves++
		default:
			halves += 2
		}
	}
	return halves
}

func isVisible(e *entry) bool { return e.properties["visible"].Value() == true }
