//go:build linux

package desktoptest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// monitor records the calls of a panel to menus, and their answers.
//
// A test that made its own calls would learn what the program reports, but not whether the panel has received it. Some
// programs also report less to their first caller: a test that called first would break the panel's menu.
type monitor struct {
	bus  *dbus.Conn
	quit chan struct{}
	done chan struct{}

	mu      sync.Mutex
	pending map[callID]call // unanswered calls
	layouts map[menuID]layout
}

// callID identifies a call by its caller and serial number.
type callID struct {
	caller string
	serial uint32
}

// call is a call of a panel to a menu.
type call struct {
	member string
	depth  int32 // of GetLayout
}

// menuID identifies the caller and the owner of a menu.
type menuID struct{ caller, owner string }

// startMonitor connects to the bus and listens.
func startMonitor(t testing.TB, address string) *monitor {
	t.Helper()
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatalf("connect a monitor to the session bus: %v", err)
	}
	rules := []string{
		"type='method_call',interface='" + menuInterface + "',member='GetLayout'",
		"type='method_call',interface='" + menuInterface + "',member='GetGroupProperties'",
		"type='method_return'",
		"type='signal',interface='" + menuInterface + "',member='ItemsPropertiesUpdated'",
	}
	if err := bus.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, rules, uint32(0)).Err; err != nil {
		t.Fatalf("monitor the session bus: %v", err)
	}
	m := &monitor{
		bus:     bus,
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		pending: make(map[callID]call),
		layouts: make(map[menuID]layout),
	}
	heard := make(chan *dbus.Message, 4096)
	bus.Eavesdrop(heard)
	go m.listen(heard)
	return m
}

func (m *monitor) stop() {
	// Close would close a channel on which the connection may still be sending.
	m.bus.Eavesdrop(nil)
	close(m.quit)
	<-m.done
	// The bus may have closed it first; either way the connection has ended.
	_ = m.bus.Close()
}

func (m *monitor) listen(heard <-chan *dbus.Message) {
	defer close(m.done)
	for {
		select {
		case message := <-heard:
			m.record(message)
		case <-m.quit:
			return
		}
	}
}

func (m *monitor) record(message *dbus.Message) {
	sender, _ := message.Headers[dbus.FieldSender].Value().(string)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch message.Type {
	case dbus.TypeMethodCall:
		member, _ := message.Headers[dbus.FieldMember].Value().(string)
		c := call{member: member}
		if len(message.Body) == 3 {
			c.depth, _ = message.Body[1].(int32)
		}
		m.pending[callID{sender, message.Serial()}] = c
	case dbus.TypeMethodReply:
		caller, _ := message.Headers[dbus.FieldDestination].Value().(string)
		serial, _ := message.Headers[dbus.FieldReplySerial].Value().(uint32)
		q := callID{caller, serial}
		c := m.pending[q]
		delete(m.pending, q)
		switch menu := (menuID{caller, sender}); c.member {
		case "GetLayout":
			if root, err := decodeLayout(message.Body); err == nil {
				// Most panels request the whole menu, which is entry 0; Plasma requests each submenu by itself.
				whole, known := m.layouts[menu]
				root = root.withOlder(whole, c.depth)
				if known && root.id != whole.id {
					root = whole.withEntry(root)
				}
				m.layouts[menu] = root
			}
		case "GetGroupProperties":
			m.update(menu, message.Body)
		}
	case dbus.TypeSignal:
		for menu := range m.layouts {
			if menu.owner == sender {
				m.update(menu, message.Body)
			}
		}
	}
}

// update applies properties of entries that were sent in a signal or an answer.
func (m *monitor) update(menu menuID, body []any) {
	var updated []struct {
		ID         int32
		Properties map[string]dbus.Variant
	}
	root, known := m.layouts[menu]
	if !known || len(body) == 0 || dbus.Store(body[:1], &updated) != nil {
		return
	}
	for _, u := range updated {
		root = root.withProperties(u.ID, u.Properties)
	}
	m.layouts[menu] = root
}

// layout returns the menu of owner as caller knows it.
func (m *monitor) layout(caller, owner string) (layout, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	root, ok := m.layouts[menuID{caller, owner}]
	if !ok {
		return layout{}, fmt.Errorf("the panel does not have the menu of %s yet", owner)
	}
	return root, nil
}
