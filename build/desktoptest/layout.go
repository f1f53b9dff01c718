//go:build linux

package desktoptest

import (
	"fmt"
	"maps"

	"github.com/godbus/dbus/v5"
)

// layout is an entry of a menu in com.canonical.dbusmenu, with the entries below it. It is immutable.
type layout struct {
	id         int32
	properties map[string]dbus.Variant
	children   []layout
}

// decodeLayout decodes the answer to GetLayout.
func decodeLayout(body []any) (layout, error) {
	var revision uint32
	var root any
	if err := dbus.Store(body, &revision, &root); err != nil {
		return layout{}, err
	}
	return decodeEntry(root)
}

func decodeEntry(value any) (layout, error) {
	var l layout
	var children []dbus.Variant
	fields, ok := value.([]any)
	if !ok {
		return layout{}, fmt.Errorf("an entry of a menu is a %T", value)
	}
	if err := dbus.Store(fields, &l.id, &l.properties, &children); err != nil {
		return layout{}, fmt.Errorf("decode an entry of a menu: %w", err)
	}
	for _, c := range children {
		child, err := decodeEntry(c.Value())
		if err != nil {
			return layout{}, err
		}
		l.children = append(l.children, child)
	}
	return l, nil
}

// withOlder returns the layout with what only an earlier one has: properties, since panels request some of them with the
// layout and all of them after it, and the entries below depth levels, which the layout does not have. A negative depth
// is for a layout with all levels.
func (l layout) withOlder(earlier layout, depth int32) layout {
	known := map[int32]layout{}
	var note func(layout)
	note = func(e layout) {
		known[e.id] = e
		for _, child := range e.children {
			note(child)
		}
	}
	note(earlier)
	var fill func(e layout, depth int32) layout
	fill = func(e layout, depth int32) layout {
		properties := maps.Clone(known[e.id].properties)
		if properties == nil {
			properties = map[string]dbus.Variant{}
		}
		maps.Copy(properties, e.properties)
		e.properties = properties
		if depth == 0 {
			e.children = known[e.id].children
			return e
		}
		children := make([]layout, len(e.children))
		for i, child := range e.children {
			children[i] = fill(child, depth-1)
		}
		e.children = children
		return e
	}
	return fill(l, depth)
}

// withEntry returns the layout with one entry replaced, and what is below it.
func (l layout) withEntry(entry layout) layout {
	if l.id == entry.id {
		return entry
	}
	children := make([]layout, len(l.children))
	for i, child := range l.children {
		children[i] = child.withEntry(entry)
	}
	l.children = children
	return l
}

// withProperties returns the layout with some properties of one entry replaced.
func (l layout) withProperties(id int32, properties map[string]dbus.Variant) layout {
	if l.id == id {
		l.properties = maps.Clone(l.properties)
		maps.Copy(l.properties, properties)
		return l
	}
	children := make([]layout, len(l.children))
	for i, child := range l.children {
		children[i] = child.withProperties(id, properties)
	}
	l.children = children
	return l
}

// property returns a property of an entry, or otherwise if the program has omitted it.
func property[T any](l layout, name string, otherwise T) T {
	if value, ok := l.properties[name].Value().(T); ok {
		return value
	}
	return otherwise
}
