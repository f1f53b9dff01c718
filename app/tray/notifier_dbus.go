//go:build !windows && !darwin

package tray

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// Names of the freedesktop.org StatusNotifierItem, as KDE and all later panels use it, and of Canonical's dbusmenu.
const (
	itemPath      dbus.ObjectPath = "/StatusNotifierItem"
	menuPath      dbus.ObjectPath = "/StatusNotifierItem/menu"
	itemInterface                 = "org.kde.StatusNotifierItem"
	menuInterface                 = "com.canonical.dbusmenu"
	watcherName                   = "org.kde.StatusNotifierWatcher"
	busName                       = "org.freedesktop.DBus"
)

// notifier is the toolkit of free desktops: an icon and a menu that panels read over D-Bus.
//
// It does not use a tray library, nor godbus's exported objects, for one reason: one goroutine answers all calls, in
// the order in which they came. A panel requests the layout, and then the properties of each submenu, without waiting
// in between. If the responses overtake each other, the panel has entries without a parent, and drops them. Godbus
// answers each call in a goroutine of its own.
type notifier struct {
	panelBus
	own      desktop // a separate connection
	messages chan *dbus.Message
	quit     chan struct{}
	changed  chan struct{} // holds a token if there is something new to show

	mutex sync.Mutex
	next  *drawing

	// Owned by the goroutine in Run.
	menu      panelMenu
	icon      string
	tooltip   string
	attention bool
	repeat    <-chan time.Time // fires when the panel is to read the icon once more
	repeats   []time.Duration  // what is left of iconRepeats
}

// iconRepeats are the times after which an icon is announced to GNOME Shell again, each after the one before. Its extension
// ignores a picture that comes while it converts an earlier one of the same size, which takes long on a busy machine, and would
// show the earlier one until the next change.
var iconRepeats = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second}

// maxMessages bounds how many calls may wait for an answer. More are lost, and panels repeat them.
const maxMessages = 4096

func newToolkit(around desktop, on events, shown menuShown) (toolkit, error) {
	own, err := connect(around.bus.Context(), around.address)
	if err != nil {
		return nil, &NoDesktop{Missing: "D-Bus session bus that answers", Err: err}
	}
	bus := panelBus{own.bus}
	return &notifier{
		panelBus: bus, own: own, messages: make(chan *dbus.Message, maxMessages), quit: make(chan struct{}), changed: make(chan struct{}, 1),
		menu: panelMenu{
			panelBus: bus, on: on, menuShown: shown, looked: make(chan finding, 1),
			tree: newTree(lookOf(runtime.GOOS, os.Getenv("XDG_CURRENT_DESKTOP"))),
		},
	}, nil
}

// Run answers panels until Quit.
func (n *notifier) Run(ready func()) {
	defer func() {
		n.own.bus.Eavesdrop(nil) // Close would close the channel while the connection may still send on it
		n.own.close()
		n.menu.looking.Wait()
	}()
	ready()
	n.takeNext()
	n.own.bus.Eavesdrop(n.messages)
	n.call("AddMatch", "type='signal',sender='"+busName+"',interface='"+busName+"',member='NameOwnerChanged',arg0='"+watcherName+"'")
	n.call("RequestName", fmt.Sprintf("%s-%d-1", itemInterface, os.Getpid()), uint32(dbus.NameFlagDoNotQueue))
	n.register()
	for messages := n.messages; ; {
		select {
		case message, ok := <-messages:
			if !ok {
				messages = nil // the bus has gone, which desktop reports
				continue
			}
			n.receive(message)
		case <-n.changed:
			n.takeNext()
		case <-n.menu.closing:
			n.receiveWaiting()
			if n.menu.closing != nil {
				n.menu.close()
			}
		case <-n.menu.recheck:
			n.menu.lookAgain()
		case found := <-n.menu.looked:
			n.menu.found(found)
		case <-n.repeat:
			n.showIcon()
		case <-n.quit:
			return
		}
	}
}

// Quit makes Run return.
func (n *notifier) Quit() { close(n.quit) }

// Held returns false: of a drawing for an open menu, the notifier holds back what must wait.
func (n *notifier) Held() bool { return false }

// Opens returns true.
func (n *notifier) Opens() bool { return true }

// Show makes the panel show a drawing soon.
func (n *notifier) Show(d drawing) {
	n.mutex.Lock()
	n.next = &d
	n.mutex.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// takeNext shows the latest drawing, and signals the differences to panels.
func (n *notifier) takeNext() {
	n.mutex.Lock()
	next := n.next
	n.next = nil
	n.mutex.Unlock()
	if next == nil {
		return
	}
	if next.icon != n.icon {
		n.icon, n.repeats = next.icon, nil
		if n.menu.tree.look.stale {
			n.repeats = iconRepeats
		}
		n.showIcon()
		n.emit(itemPath, itemInterface, "NewAttentionIcon")
	}
	if next.attention != n.attention {
		n.attention = next.attention
		n.emit(itemPath, itemInterface, "NewStatus", n.status())
	}
	if next.tooltip != n.tooltip {
		n.tooltip = next.tooltip
		n.emit(itemPath, itemInterface, "NewToolTip")
	}
	n.menu.latest = *next
	n.menu.update()
}

// showIcon makes panels read the icon, and again later if the desktop may have missed it.
func (n *notifier) showIcon() {
	n.emit(itemPath, itemInterface, "NewIcon")
	n.repeat = nil
	if len(n.repeats) > 0 {
		n.repeat, n.repeats = time.After(n.repeats[0]), n.repeats[1:]
	}
}

// status returns the status of the icon. Plasma shows one that needs attention even if it hides the icon otherwise.
func (n *notifier) status() string {
	if n.attention && !n.menu.tree.look.stale {
		return "NeedsAttention"
	}
	return "Active"
}

// receiveWaiting handles the messages that have come already.
func (n *notifier) receiveWaiting() {
	for {
		select {
		case message, ok := <-n.messages:
			if !ok {
				return
			}
			n.receive(message)
		default:
			return
		}
	}
}

// receive handles one message of the bus.
func (n *notifier) receive(message *dbus.Message) {
	switch message.Type {
	case dbus.TypeMethodCall:
		n.answer(message)
	case dbus.TypeSignal:
		// NameOwnerChanged has a name, its old owner and its new one. A panel that has restarted knows no icons.
		if header(message, dbus.FieldMember) != "NameOwnerChanged" || header(message, dbus.FieldSender) != busName || len(message.Body) < 3 {
			return
		}
		if owner, _ := message.Body[2].(string); message.Body[0] == watcherName && owner != "" {
			n.register()
		}
	}
}

// register registers the icon with the watcher. If there is none, the bus answers with an error, which does not matter,
// because register is called again when one appears.
func (n *notifier) register() {
	n.menu.close() // whatever another panel said
	n.menu.lazy = lazy{}
	n.send(&dbus.Message{Type: dbus.TypeMethodCall, Flags: dbus.FlagNoReplyExpected | dbus.FlagNoAutoStart, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(watcherName),
		dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath("/StatusNotifierWatcher")),
		dbus.FieldInterface:   dbus.MakeVariant(watcherName),
		dbus.FieldMember:      dbus.MakeVariant("RegisterStatusNotifierItem"),
	}, Body: []any{string(itemPath)}})
}

// panelBus sends messages to panels.
type panelBus struct{ bus *dbus.Conn }

// call calls a method of the bus itself and does not wait.
func (b panelBus) call(method string, arguments ...any) {
	b.send(&dbus.Message{Type: dbus.TypeMethodCall, Flags: dbus.FlagNoReplyExpected, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(busName),
		dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/DBus")),
		dbus.FieldInterface:   dbus.MakeVariant(busName),
		dbus.FieldMember:      dbus.MakeVariant(method),
	}, Body: arguments})
}

func (b panelBus) emit(path dbus.ObjectPath, name, member string, values ...any) {
	b.send(&dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath:      dbus.MakeVariant(path),
		dbus.FieldInterface: dbus.MakeVariant(name),
		dbus.FieldMember:    dbus.MakeVariant(member),
	}, Body: values})
}

// send sends a message. Others notice if the bus has gone.
func (b panelBus) send(message *dbus.Message) {
	if len(message.Body) > 0 {
		message.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(message.Body...))
	}
	_ = b.bus.Send(message, nil)
}

func header(message *dbus.Message, field dbus.HeaderField) string {
	switch value := message.Headers[field].Value().(type) {
	case string:
		return value
	case dbus.ObjectPath:
		return string(value)
	}
	return ""
}
