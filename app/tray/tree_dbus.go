//go:build !windows && !darwin

package tray

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/godbus/dbus/v5"

	"fairlead/app/menu"
	"fairlead/assets"
)

// tree is the menu in the form of com.canonical.dbusmenu: entries with a number, properties and children. One goroutine
// owns it.
//
// A number stands for one item as long as the item is in the menu at the same place, and is not used again after that.
// Panels identify entries by it, keep open what has not changed, and may send a click on an entry that has just gone.
type tree struct {
	look     look
	items    []menu.Item // what is shown
	root     *entry
	entries  map[int32]*entry // all entries, including the root, which is number 0
	numbers  map[place]int32
	last     int32 // the highest number used
	revision uint32
	moved    []int32          // the entries in which others came, went or moved with the last menu
	retired  map[int32]*entry // the entries that have left the menu since a panel has read it
	unfolded
}

// dotSize is the width and height of a picture in a line, in pixels.
const dotSize = 16

// entry is one line of the menu. It is not modified once it is in the tree.
type entry struct {
	number     int32
	at         place
	item       menu.Item // without Items
	properties map[string]dbus.Variant
	children   []*entry
}

// place is what identifies an item across drawings. Panels do not handle an entry well that gets or loses a submenu, a
// check mark or a picture, so a place with that change gets a new entry.
type place struct {
	parent                                     int32
	item                                       string
	submenu, checkable, radio, icon, separator bool
}

func newTree(look look) *tree {
	t := &tree{look: look, numbers: map[place]int32{}, retired: map[int32]*entry{}, revision: 1}
	t.root = &entry{properties: map[string]dbus.Variant{"children-display": dbus.MakeVariant("submenu")}}
	t.entries = map[int32]*entry{0: t.root}
	return t
}

// show replaces the menu. It returns the entries at the same place that look different now, and whether any entry came,
// went or moved.
func (t *tree) show(items []menu.Item) (changed []*entry, moved bool) {
	before := t.entries
	t.items = items
	t.entries = map[int32]*entry{}
	t.root = &entry{properties: t.root.properties, children: t.add(0, items, before)}
	t.entries[0] = t.root
	clear(t.numbers)
	t.moved = nil
	for number, e := range t.entries {
		t.numbers[e.at] = number
	}
	for number, now := range t.entries {
		was, known := before[number]
		switch {
		case !known:
			moved = true
		case !slices.EqualFunc(was.children, now.children, func(a, b *entry) bool { return a.number == b.number }):
			moved = true
			t.moved = append(t.moved, number)
			fallthrough
		default:
			if !sameProperties(was.properties, now.properties) {
				changed = append(changed, now)
			}
		}
	}
	if moved {
		t.revision++
		t.retire(before)
		if t.room > 0 {
			clear(t.open) // GNOME Shell folds all submenus then
		}
	}
	for number := range t.updateCovered() {
		if now := t.entries[number]; before[number] != nil && !slices.Contains(changed, now) {
			changed = append(changed, now)
		}
	}
	slices.SortFunc(changed, func(a, b *entry) int { return int(a.number - b.number) })
	return changed, moved
}

// add makes the entries of a menu and its submenus.
func (t *tree) add(parent int32, items []menu.Item, before map[int32]*entry) []*entry {
	var made []*entry
	numbers := t.numbers
	if t.room > 0 && !t.canFollow(parent, items, before) {
		numbers = nil
	}
	for _, item := range items {
		at := placeOf(parent, item)
		number, known := numbers[at]
		if !known {
			t.last++
			number = t.last
		}
		e := &entry{number, at, withoutItems(item), t.properties(item), t.add(number, item.Items, before)}
		t.entries[number] = e
		made = append(made, e)
	}
	return made
}

func placeOf(parent int32, item menu.Item) place {
	return place{parent, item.ID, len(item.Items) > 0, item.Checkable, item.Radio, item.Icon != "", item.Separator}
}

func hidden(properties map[string]dbus.Variant) map[string]dbus.Variant {
	properties = maps.Clone(properties)
	properties["visible"] = dbus.MakeVariant(false)
	return properties
}

// properties returns the properties of an item. Those that may change are always included, so that none ever has to be
// removed.
func (t *tree) properties(item menu.Item) map[string]dbus.Variant {
	if item.Separator {
		return map[string]dbus.Variant{"type": dbus.MakeVariant("separator"), "visible": dbus.MakeVariant(true)}
	}
	p := map[string]dbus.Variant{
		"label": dbus.MakeVariant(t.look.label(item)), "enabled": dbus.MakeVariant(!item.Disabled), "visible": dbus.MakeVariant(true),
	}
	if item.Checkable && !t.look.boxes {
		kind, state := "checkmark", int32(0)
		if item.Radio {
			kind = "radio"
		}
		if item.Checked {
			state = 1
		}
		p["toggle-type"], p["toggle-state"] = dbus.MakeVariant(kind), dbus.MakeVariant(state)
	}
	if dot := assets.Dot(item.Icon, dotSize); dot != nil && !t.look.signs {
		p["icon-data"] = dbus.MakeVariant(dot)
	}
	if len(item.Items) > 0 {
		p["children-display"] = dbus.MakeVariant("submenu")
	}
	return p
}

func sameProperties(a, b map[string]dbus.Variant) bool {
	for name, value := range a {
		if !sameValue(b[name].Value(), value.Value()) {
			return false
		}
	}
	return len(a) == len(b)
}

func sameValue(a, b any) bool {
	if picture, ok := a.([]byte); ok {
		other, ok := b.([]byte)
		return ok && bytes.Equal(picture, other)
	}
	return a != nil && reflect.TypeOf(b) == reflect.TypeOf(a) && a == b
}

// layout has the D-Bus type (ia{sv}av): an entry.
type layout struct {
	Number     int32
	Properties map[string]dbus.Variant
	Children   []dbus.Variant
}

// numbered has the D-Bus type (ia{sv}): the properties of one entry.
type numbered struct {
	Number     int32
	Properties map[string]dbus.Variant
}

// layout returns an entry with its children down to a depth, or all of them if the depth is negative. It includes all
// properties, whichever the panel requests: GNOME Shell requests two, and the others later, when it has time. Until then
// its menu has lines without a title, and a click hits what cannot be read.
func (t *tree) layout(number, depth int32) (layout, error) {
	e, ok := t.entries[number]
	if !ok {
		return layout{}, fmt.Errorf("there is no entry %d", number)
	}
	if number == 0 {
		clear(t.retired)
	}
	return t.layoutOf(e, depth), nil
}

func (t *tree) layoutOf(e *entry, depth int32) layout {
	l := layout{Number: e.number, Properties: t.shownProperties(e), Children: []dbus.Variant{}}
	if depth == 0 {
		return l
	}
	for _, child := range e.children {
		l.Children = append(l.Children, dbus.MakeVariant(t.layoutOf(child, depth-1)))
	}
	return l
}

// maxRetired bounds how many entries are kept that are not in the menu.
const maxRetired = 4096

// retire keeps the entries that are no longer in the menu.
func (t *tree) retire(before map[int32]*entry) {
	if len(t.retired) > maxRetired {
		clear(t.retired)
	}
	for number, e := range before {
		if t.entries[number] == nil {
			t.retired[number] = e
		}
	}
}

// shownAs returns the entry that a panel shows under a number, which may just have left the menu.
func (t *tree) shownAs(number int32) (e *entry, ok bool) {
	if e, ok = t.entries[number]; !ok {
		e, ok = t.retired[number]
	}
	return e, ok
}

// isClickable reports whether an entry can be clicked. Panels may send a click on one that is hidden by then.
func (t *tree) isClickable(e *entry) bool {
	if e.properties["enabled"].Value() != true {
		return false
	}
	for ok := true; e.number != 0; e, ok = t.shownAs(e.at.parent) {
		if !ok || !isVisible(e) {
			return false
		}
	}
	return true
}

func selectProperties(properties map[string]dbus.Variant, names []string) map[string]dbus.Variant {
	if len(names) == 0 {
		return properties
	}
	some := map[string]dbus.Variant{}
	for _, name := range names {
		if value, ok := properties[name]; ok {
			some[name] = value
		}
	}
	return some
}

// group returns the properties of some entries, or of all if there are no numbers. It leaves out those that do not
// exist.
func (t *tree) group(wanted []int32, names []string) []numbered {
	if len(wanted) == 0 {
		for number := range t.entries {
			wanted = append(wanted, number)
		}
		slices.Sort(wanted)
	}
	found := []numbered{}
	for _, number := range wanted {
		if e, ok := t.entries[number]; ok {
			found = append(found, numbered{number, selectProperties(t.shownProperties(e), names)})
		}
	}
	return found
}
