package notify

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"slices"
	"strings"
	"sync"

	freedesktop "github.com/esiqveland/notify"
	"github.com/godbus/dbus/v5"
)

// A desktop shows notifications by the freedesktop.org Desktop Notifications Specification, on a D-Bus connection of
// its own, because the tray's connection must not receive the signals of a notification service.
type desktop struct {
	icon   func(name string) []byte
	chosen func(Choice)

	conn *dbus.Conn
	can  []string          // capabilities of the service that issued ids
	ids  map[string]uint32 // by key

	listening sync.WaitGroup // the goroutine that receives choices on conn
	sending   sync.Mutex     // held until about has what was sent: a choice may come before the answer to its notification
	mutex     sync.Mutex
	owner     string            // the unique name of the service that issued ids
	about     map[uint32]Choice // the Choice of each notification, by id
}

// replaces reports whether a notification can take the place of another.
const replaces = true

const notifications = "org.freedesktop.Notifications"

// maxIDs bounds how many notifications can be replaced. Beyond it, all ids are forgotten.
const maxIDs = 256

func newDesktop(icon func(string) []byte, chosen func(Choice)) Sender {
	if chosen == nil {
		chosen = func(Choice) {}
	}
	return &desktop{icon: icon, chosen: chosen, ids: map[string]uint32{}, about: map[uint32]Choice{}}
}

// Send opens the connection on first use, and again after the bus was restarted.
func (d *desktop) Send(ctx context.Context, n Notification) error {
	if err := d.connect(ctx); err != nil {
		return fmt.Errorf("connect to the session bus: %w", err)
	}
	// The calls take no context. If a service does not respond, the connection is closed.
	conn := d.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	d.identify()
	d.sending.Lock()
	defer d.sending.Unlock()
	id, err := freedesktop.SendNotification(conn, freedesktop.Notification{
		AppName:       "Fairlead",
		ReplacesID:    d.ids[n.Key],
		Summary:       n.Title,
		Body:          d.escape(n.Body),
		Actions:       d.actions(n.Actions),
		Hints:         d.hints(n.Icon),
		ExpireTimeout: freedesktop.ExpireTimeoutSetByNotificationServer,
	})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("notification service: %w", err)
	}
	if n.Key != "" {
		if len(d.ids) >= maxIDs {
			d.forget()
		}
		d.ids[n.Key] = id
	}
	if len(n.Actions) > 0 {
		d.mutex.Lock()
		d.about[id] = n.About
		d.mutex.Unlock()
	}
	return nil
}

func (d *desktop) Close() error {
	if d.conn == nil {
		return nil
	}
	err := d.conn.Close()
	d.listening.Wait()
	return err
}

// connect ensures that there is a connection that was alive a moment ago.
func (d *desktop) connect(ctx context.Context) error {
	if d.conn != nil && d.conn.Connected() {
		return nil
	}
	// This is not ConnectSessionBus, which would start a bus if there is none, and never stop it.
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.Auth(nil); err != nil {
		_ = conn.Close()
		return err
	}
	if err := conn.Hello(); err != nil {
		_ = conn.Close()
		return err
	}
	d.listening.Wait() // the previous goroutine ended with its connection
	d.conn = conn
	d.setOwner("")
	d.listen(conn)
	return nil
}

// listen receives choices until conn is closed.
func (d *desktop) listen(conn *dbus.Conn) {
	if conn.AddMatchSignal(dbus.WithMatchInterface(notifications), dbus.WithMatchMember("ActionInvoked")) != nil {
		return // without signals there are no choices; Send reports it if the connection is broken
	}
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	d.listening.Go(func() {
		for signal := range signals {
			var id uint32
			var action string
			if signal.Name != notifications+".ActionInvoked" || dbus.Store(signal.Body, &id, &action) != nil {
				continue
			}
			choice, ours := d.choiceOf(id, signal.Sender)
			if choice.Action = Action(action); ours && choice.Action.title() != "" {
				d.chosen(choice)
			}
		}
	})
}

// choiceOf returns the Choice of a notification, and whether it is one of ours and the sender of the signal the service
// that shows it: any program on the bus can send this signal.
func (d *desktop) choiceOf(id uint32, sender string) (Choice, bool) {
	d.sending.Lock()
	defer d.sending.Unlock()
	d.mutex.Lock()
	defer d.mutex.Unlock()
	choice, ours := d.about[id]
	return choice, ours && sender == d.owner
}

// identify finds out which service shows the notifications. A restarted service numbers its notifications from the
// start: an old id may be another program's notification by now.
func (d *desktop) identify() {
	var owner string
	err := d.conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, notifications).Store(&owner)
	if err != nil {
		owner = "" // none yet: the bus may start one when it is called
	}
	if !d.setOwner(owner) && owner != "" {
		return
	}
	d.can, _ = freedesktop.GetCapabilities(d.conn) // if it does not respond, Send will find out
	if owner == "" {
		_ = d.conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, notifications).Store(&owner)
		d.setOwner(owner)
	}
}

// setOwner records which service shows the notifications, and reports whether it is a different one, with ids of its
// own.
func (d *desktop) setOwner(owner string) (changed bool) {
	d.mutex.Lock()
	changed = owner != d.owner
	d.owner = owner
	d.mutex.Unlock()
	if changed {
		d.forget()
	}
	return changed
}

// forget discards the ids of a service that has gone, or all if there are too many.
func (d *desktop) forget() {
	d.ids = map[string]uint32{}
	d.mutex.Lock()
	clear(d.about)
	d.mutex.Unlock()
}

// actions returns keys and titles in turn, or none if the service cannot show them.
func (d *desktop) actions(wanted []Action) (actions []freedesktop.Action) {
	if !slices.Contains(d.can, "actions") {
		return nil
	}
	for _, a := range wanted {
		actions = append(actions, freedesktop.Action{Key: string(a), Label: a.title()})
	}
	return actions
}

func (d *desktop) hints(icon string) map[string]dbus.Variant {
	hints := map[string]dbus.Variant{"category": dbus.MakeVariant("network")}
	if image := pixels(d.icon(icon)); image != nil {
		hints["image-data"] = *image
	}
	return hints
}

// escape prevents the body from being treated as markup. The specification allows markup in bodies only, and only by
// services that declare it. If that is unknown, a service that comes later may be one of those.
func (d *desktop) escape(body string) string {
	if d.can != nil && !slices.Contains(d.can, "body-markup") {
		return body
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
}

// pixels returns the image-data hint of a PNG image, or nil if it is invalid.
func pixels(icon []byte) *dbus.Variant {
	decoded, err := png.Decode(bytes.NewReader(icon))
	if err != nil {
		return nil
	}
	// The hint's alpha is not premultiplied, like NRGBA's. The library's type for it would be RGBA.
	straight := image.NewNRGBA(image.Rect(0, 0, decoded.Bounds().Dx(), decoded.Bounds().Dy()))
	draw.Draw(straight, straight.Bounds(), decoded, decoded.Bounds().Min, draw.Src)
	hint := freedesktop.HintImageDataRGBA(&image.RGBA{Pix: straight.Pix, Stride: straight.Stride, Rect: straight.Rect})
	return &hint.Variant
}
