//go:build linux

package desktoptest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

const (
	notificationsName = "org.freedesktop.Notifications"
	notificationsPath = "/org/freedesktop/Notifications"
)

// recorder is a notification service that shows nothing and records every call.
type recorder struct {
	bus *dbus.Conn

	mu      sync.Mutex
	calls   []Notification
	last    uint32
	senders map[uint32]string   // the sender of a notification, by its id
	actions map[uint32][]string // keys and titles of its actions in turn, by its id
}

// startRecorder makes the test own the name of the notification service.
func startRecorder(t testing.TB, bus *dbus.Conn) *recorder {
	t.Helper()
	r := &recorder{bus: bus, senders: make(map[uint32]string), actions: make(map[uint32][]string)}
	if err := bus.Export(recorderMethods{r}, notificationsPath, notificationsName); err != nil {
		t.Fatal(err)
	}
	reply, err := bus.RequestName(notificationsName, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own %s: reply %d, %v", notificationsName, reply, err)
	}
	return r
}

// stop releases the name.
func (r *recorder) stop() {
	// The bus may be gone, and the name with it.
	_, _ = r.bus.ReleaseName(notificationsName)
}

func (r *recorder) all() []Notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// close signals the sender of a notification that it was closed: reason 2 is "by the user", 3 "by the program". Like
// the daemons it signals only the sender; a broadcast would not reach a program that has not subscribed to such
// signals.
func (r *recorder) close(id, reason uint32) error {
	return r.signal(id, "NotificationClosed", id, reason)
}

// choose signals the sender of a notification that the user chose an action, by its title.
func (r *recorder) choose(id uint32, title string) error {
	r.mu.Lock()
	actions := r.actions[id]
	r.mu.Unlock()
	for i := 1; i < len(actions); i += 2 {
		if actions[i] == title {
			return r.signal(id, "ActionInvoked", id, actions[i-1])
		}
	}
	return fmt.Errorf("notification %d offers %q, and not %q", id, actions, title)
}

// signal sends a signal to the sender of a notification.
func (r *recorder) signal(id uint32, member string, body ...any) error {
	r.mu.Lock()
	sender, ok := r.senders[id]
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("there is no notification %d", id)
	}
	return r.bus.Send(&dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(sender),
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(notificationsPath)),
			dbus.FieldInterface:   dbus.MakeVariant(notificationsName),
			dbus.FieldMember:      dbus.MakeVariant(member),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
		},
		Body: body,
	}, nil).Err
}

// recorderMethods has the methods of org.freedesktop.Notifications, Desktop Notifications Specification 1.2.
type recorderMethods struct{ r *recorder }

// Notify records a notification.
func (m recorderMethods) Notify(sender dbus.Sender, app string, replaces uint32, icon, summary, body string,
	actions []string, hints map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	id := replaces
	if id == 0 {
		m.r.last++
		id = m.r.last
	}
	m.r.senders[id], m.r.actions[id] = string(sender), actions
	_, picture := hints["image-data"]
	n := Notification{ID: id, Replaces: replaces, App: app, Summary: summary, Body: body, HasIcon: icon != "" || picture}
	var titles []string
	for i := 1; i < len(actions); i += 2 { // keys and titles alternate
		titles = append(titles, actions[i])
	}
	n.Actions = strings.Join(titles, ", ")
	m.r.calls = append(m.r.calls, n)
	return id, nil
}

// CloseNotification closes a notification for the program that sent it.
func (m recorderMethods) CloseNotification(id uint32) *dbus.Error {
	if err := m.r.close(id, 3); err != nil {
		return dbus.MakeFailedError(err)
	}
	return nil
}

// GetCapabilities returns the capabilities of the service: bodies, and markup in them.
func (recorderMethods) GetCapabilities() ([]string, *dbus.Error) {
	return []string{"actions", "body", "body-markup"}, nil
}

// GetServerInformation returns the name and the version of the service.
func (recorderMethods) GetServerInformation() (name, vendor, version, specification string, _ *dbus.Error) {
	return "recorder", "desktoptest", "1", "1.2", nil
}
