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

// A desktop shows notifications by the freedesktop.org Desktop Notifications Specification, on a D-Bus connection of its
// own: the tray's connection must not receive the signals that a notification service answers with.
type desktop struct {
	icon   func(name string) []byte
	chosen func(Choice)

	conn *dbus.Conn
	can  []string          // what the service that gave out ids can do
	ids  map[string]uint32 // by key

	listening sync.WaitGroup // the goroutine that hears of choices on conn
	mutex     sync.Mutex
	owner     string            // the unique name of the service that gave out ids
	about     map[uint32]Choice // what a choice on a notification is about, by id
}

const notifications = "org.freedesktop.Notifications"

// maxIDs bounds how many notifications can be replaced; the ids of all are forgotten beyond it.
const maxIDs = 256

func newDesktop(icon func(string) []byte, chosen func(Choice)) Sender {
	if chosen == nil {
		chosen = func(Choice) {}
	}
	return &desktop{icon: icon, chosen: chosen, ids: map[string]uint32{}, about: map[uint32]Choice{}}
}

// Send opens the connection on first use and again after the bus was restarted.
func (d *desktop) Send(ctx context.Context, n Notification) error {
	if err := d.connect(ctx); err != nil {
		return fmt.Errorf("connect to the session bus: %w", err)
	}
	// The calls take no context. A service that does not answer is left by giving up the connection.
	conn := d.conn
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	d.identify()
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

// connect makes sure of a connection that was alive a moment ago.
func (d *desktop) connect(ctx context.Context) error {
	if d.conn != nil && d.conn.Connected() {
		return nil
	}
	// Not ConnectSessionBus: without a bus it would start one, which nobody stops.
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.Auth(nil); err != nil {
		conn.Close()
		return err
	}
	if err := conn.Hello(); err != nil {
		conn.Close()
		return err
	}
	d.listening.Wait() // the one before has ended with its connection
	d.conn = conn
	d.setOwner("")
	d.listen(conn)
	return nil
}

// listen hears of choices until conn is closed.
func (d *desktop) listen(conn *dbus.Conn) {
	if conn.AddMatchSignal(dbus.WithMatchInterface(notifications), dbus.WithMatchMember("ActionInvoked")) != nil {
		return // then there are no choices; what cannot be sent either is told by Send
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
			d.mutex.Lock()
			choice, ours := d.about[id]
			ours = ours && signal.Sender == d.owner // any program on the bus can send such a signal
			d.mutex.Unlock()
			if choice.Action = Action(action); ours && choice.Action.title() != "" {
				d.chosen(choice)
			}
		}
	})
}

// meet asks who shows the notifications. A service that was restarted counts its ids anew: an id of the old one may be
// another program's notification by now.
func (d *desktop) identify() {
	var owner string
	err := d.conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, notifications).Store(&owner)
	if err != nil {
		owner = "" // nobody yet: the bus may start one when it is called
	}
	if !d.setOwner(owner) && owner != "" {
		return
	}
	d.can, _ = freedesktop.GetCapabilities(d.conn) // one that does not answer shows nothing either, as Send finds out
	if owner == "" {
		_ = d.conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, notifications).Store(&owner)
		d.setOwner(owner)
	}
}

// serves notes who shows the notifications now, and reports whether that is somebody else, whose ids are others.
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

// forget drops the ids of a service that has gone, or too many of them.
func (d *desktop) forget() {
	d.ids = map[string]uint32{}
	d.mutex.Lock()
	clear(d.about)
	d.mutex.Unlock()
}

// actions are keys and titles in turn, or none where they cannot be shown.
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

// escape keeps the body from being read as markup, which the specification allows in bodies, and only there, and only by services that
// say so. Where it is not known, a service that comes later may be one of those.
func (d *desktop) escape(body string) string {
	if d.can != nil && !slices.Contains(d.can, "body-markup") {
		return body
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
}

// pixels is the image-data hint of a PNG image, or nil if it is none.
func pixels(icon []byte) *dbus.Variant {
	decoded, err := png.Decode(bytes.NewReader(icon))
	if err != nil {
		return nil
	}
	// The hint's alpha is not premultiplied, which is what NRGBA means; the library's type for it would be RGBA.
	straight := image.NewNRGBA(image.Rect(0, 0, decoded.Bounds().Dx(), decoded.Bounds().Dy()))
	draw.Draw(straight, straight.Bounds(), decoded, decoded.Bounds().Min, draw.Src)
	hint := freedesktop.HintImageDataRGBA(&image.RGBA{Pix: straight.Pix, Stride: straight.Stride, Rect: straight.Rect})
	return &hint.Variant
}
