//go:build !windows && !darwin

package tray

import (
	"fmt"
	"maps"
	"slices"

	"github.com/godbus/dbus/v5"

	"fairlead/app/menu"
)

// tree is the menu in the form of com.canonical.dbusmenu: entries with a number, properties and children. One goroutine
// owns it.
//
// A number stands for one item as long as the item is in the menu at the same place, and is not used again after that.
// Panels identify entries by it, keep open what has not changed, and may send a click on an entry that has just gone.
type tree struct {
	label    func(title string) string
	root     *entry
	entries  map[int32]*entry // all entries, including the root, which is number 0
	numbers  map[place]int32
	last     int32 // the highest number used
	revision uint32
	unfolded
}

// entry is one line of the menu. It is not modified once it is in the tree.
type entry struct {
	number     int32
	at         place
	properties map[string]dbus.Variant
	children   []*entry
}

// place is what identifies an item across drawings. Panels do not handle an entry that gets or loses a submenu or a
// check mark well, so a place with that change gets a new entry.
type place struct {
	parent                        int32
	item                          string
	submenu, checkable, separator bool
}

func newTree(label func(string) string) *tree {
	t := &tree{label: label, numbers: map[place]int32{}, revision: 1}
	t.root = &entry{properties: map[string]dbus.Variant{"children-display": dbus.MakeVariant("submenu")}}
	t.entries = map[int32]*entry{0: t.root}
	return t
}

// show replaces the menu. It returns the entries at the same place that look different now, and whether any entry came,
// went or moved.
func (t *tree) show(items []menu.Item) (changed []*entry, moved bool) {
	before := t.entries
	t.entries = map[int32]*entry{}
	t.root = &entry{properties: t.root.properties, children: t.add(0, items, before)}
	t.entries[0] = t.root
	clear(t.numbers)
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
			fallthrough
		default:
			if !sameProperties(was.properties, now.properties) {
				changed = append(changed, now)
			}
		}
	}
	if moved {
		t.revision++
		clear(t.open) // GNOME Shell folds all submenus then
	}
	for number := range t.updateCovered() {
		if now := t.entries[number]; before[number] != nil && !slices.Contains(changed, now) {
			changed = append(changed, now)
		}
	}
	slices.SortFunc(changed, func(a, b *entry) int { return int(a.number - b.number) })
	return changed, moved
}

// add makes the entries of a menu and its submenus. Hidden ones stay as they were: panels make room in an open menu for
// an entry that is shown again, but not for a new one, and some never draw a submenu again that was empty for a while.
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
		var e *entry
		if was := before[number]; known && item.Hidden && was != nil {
			e = &entry{number, at, hidden(was.properties), was.children}
			t.keep(was.children)
		} else {
			e = &entry{number, at, t.properties(item), t.add(number, item.Items, before)}
		}
		t.entries[number] = e
		made = append(made, e)
	}
	return made
}

func placeOf(parent int32, item menu.Item) place {
	return place{parent, item.ID, len(item.Items) > 0 || item.Submenu, item.Checkable, item.Separator}
}

// keep leaves entries and their children unchanged.
func (t *tree) keep(entries []*entry) {
	for _, e := range entries {
		t.entries[e.number] = e
		t.keep(e.children)
	}
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
		"label": dbus.MakeVariant(t.label(item.Title)), "enabled": dbus.MakeVariant(!item.Disabled), "visible": dbus.MakeVariant(!item.Hidden),
	}
	if item.Checkable {
		state := int32(0)
		if item.Checked {
			state = 1
		}
		p["toggle-type"], p["toggle-state"] = dbus.MakeVariant("checkmark"), dbus.MakeVariant(state)
	}
	if len(item.Items) > 0 || item.Submenu {
		p["children-display"] = dbus.MakeVariant("submenu")
	}
	return p
}

func sameProperties(a, b map[string]dbus.Variant) bool {
	for name, value := range a {
		if b[name].Value() != value.Value() {
			return false
		}
	}
	return len(a) == len(b)
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

// layout returns an entry with its children down to a depth, or all of them if the depth is negative. It includes the
// named properties, or all if there are no names.
func (t *tree) layout(number, depth int32, names []string) (layout, error) {
	e, ok := t.entries[number]
	if !ok {
		return layout{}, fmt.Errorf("there is no entry %d", number)
	}
	return t.layoutOf(e, depth, names), nil
}

func (t *tree) layoutOf(e *entry, depth int32, names []string) layout {
	l := layout{Number: e.number, Properties: selectProperties(t.shownProperties(e), names), Children: []dbus.Variant{}}
	if depth == 0 {
		return l
	}
	for _, child := range e.children {
		l.Children = append(l.Children, dbus.MakeVariant(t.layoutOf(child, depth-1, names)))
	}
	return l
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
