//go:build !windows && !darwin

package tray

import (
	"slices"

	"github.com/godbus/dbus/v5"

	"fairlead/app/menu"
)

// unfolded keeps which submenus are open, and, in GNOME Shell, where they are inside the menu, which entries are hidden
// meanwhile to make room for them. It is part of a tree.
type unfolded struct {
	room    int            // how many lines the screen has room for; 0 if submenus open next to the menu
	open    map[int32]bool // the open submenus
	covered map[int32]bool // the entries that are hidden
}

// submenuLines is how many lines of a submenu are to be visible without scrolling.
const submenuLines = 10

// unfold records that a submenu was opened or closed. Closing the menu itself, entry 0, closes all. It returns the
// entries that are shown or hidden as a result.
func (t *tree) unfold(number int32, open bool) (changed []*entry) {
	switch {
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

// canFollow reports whether GNOME Shell's extension, as of 2026, can follow a change of a menu's entries: some are new,
// or some are gone. If entries move, or some are gone and some new at the same time, it gets their order wrong
// permanently, and then all of them must be replaced.
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

// shownProperties returns the properties of an entry as they are now.
func (t *tree) shownProperties(e *entry) map[string]dbus.Variant {
	if t.covered[e.number] {
		return hidden(e.properties)
	}
	return e.properties
}

// updateCovered decides again what is covered, and returns the numbers of the entries for which that has changed.
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

// cover finds what to hide so that the innermost open submenu can be seen: nothing if there is enough room; otherwise
// what is below open submenus, because then nothing moves under the pointer; and what is above them only if hardly
// anything of the submenu could be seen otherwise.
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
	innermost := entries
	covered := map[int32]bool{}
	makeRoom := func(lines int, entries []*entry) {
		if need+min(height(innermost), 2*lines) <= 2*t.room {
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
		makeRoom(submenuLines, l.entries[l.open+1:])
	}
	for _, l := range levels {
		makeRoom(fewestLines, l.entries[:l.open])
	}
	return covered
}

// height returns the height of entries, in halves of a line.
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
