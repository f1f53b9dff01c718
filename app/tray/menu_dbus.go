//go:build !windows && !darwin

package tray

import (
	"fmt"
	"sync"

	"github.com/godbus/dbus/v5"
)

// panelMenu is the menu as panels read it over D-Bus: its entries, and whether it is open. The goroutine in
// notifier.Run owns it.
type panelMenu struct {
	panelBus
	on        events
	menuShown menuShown
	looked    chan finding
	looking   sync.WaitGroup // the goroutine that looks for a menu on the screen

	tree   *tree
	latest drawing // of which an open menu shows only a part
	opening
	lazy lazy
}

// answer responds to the methods of com.canonical.dbusmenu.
func (m *panelMenu) answer(call *dbus.Message) ([]any, *busError) {
	var number, depth int32
	var numbers []int32
	var names []string
	var event string
	switch header(call, dbus.FieldMember) {
	case "GetLayout":
		if err := dbus.Store(call.Body, &number, &depth, &names); err != nil {
			return nil, invalid(err)
		}
		l, err := m.tree.layout(number, depth)
		if err != nil {
			return nil, invalid(err)
		}
		if depth > 0 {
			m.readLevels(l, depth)
		}
		return []any{m.tree.revision, l}, nil
	case "GetGroupProperties":
		if err := dbus.Store(call.Body, &numbers, &names); err != nil {
			return nil, invalid(err)
		}
		return []any{m.tree.group(numbers, names)}, nil
	case "GetProperty":
		if err := dbus.Store(call.Body, &number, &event); err != nil {
			return nil, invalid(err)
		}
		e, ok := m.tree.entries[number]
		if !ok || e.properties[event].Value() == nil {
			return nil, invalid(fmt.Errorf("entry %d has no %q", number, event))
		}
		return []any{e.properties[event]}, nil
	case "Event":
		var data dbus.Variant
		var time uint32
		if err := dbus.Store(call.Body, &number, &event, &data, &time); err != nil {
			return nil, invalid(err)
		}
		m.event(number, event)
		return nil, nil
	case "EventGroup":
		var events []struct {
			Number int32
			Event  string
			Data   dbus.Variant
			Time   uint32
		}
		if err := dbus.Store(call.Body, &events); err != nil {
			return nil, invalid(err)
		}
		for _, e := range events {
			m.event(e.Number, e.Event)
		}
		return []any{[]int32{}}, nil
	case "AboutToShow":
		if err := dbus.Store(call.Body, &number); err != nil {
			return nil, invalid(err)
		}
		return []any{m.aboutToShow(number)}, nil
	case "AboutToShowGroup":
		if err := dbus.Store(call.Body, &numbers); err != nil {
			return nil, invalid(err)
		}
		return []any{m.aboutToShowGroup(numbers), []int32{}}, nil
	}
	return nil, unknownMethod(call)
}

// update shows what may be shown of the latest drawing, and reports whether that changed the menu.
func (m *panelMenu) update() bool {
	m.tree.room = m.latest.lines
	changed, moved := m.tree.show(m.shown())
	m.signalChanged(changed)
	if moved {
		m.signalMoved()
	}
	return moved || len(changed) > 0
}

// signalChanged signals to panels how entries look now.
func (m *panelMenu) signalChanged(changed []*entry) {
	if len(changed) == 0 {
		return
	}
	updated := make([]numbered, 0, len(changed))
	for _, e := range changed {
		updated = append(updated, numbered{e.number, m.tree.shownProperties(e)})
	}
	m.emit(menuPath, menuInterface, "ItemsPropertiesUpdated", updated, []struct {
		Number int32
		Names  []string
	}{})
}
