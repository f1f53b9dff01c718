package notify

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"strings"

	freedesktop "github.com/esiqveland/notify"
	"github.com/godbus/dbus/v5"
)

// A desktop shows notifications by the freedesktop.org Desktop Notifications Specification, on a D-Bus connection of its
// own: the tray's connection must not receive the signals that a notification service answers with.
type desktop struct {
	image *dbus.Variant

	conn  *dbus.Conn
	owner string            // the unique name of the service that gave out ids
	ids   map[string]uint32 // by key
}

// maxIDs bounds how many notifications can be replaced; the ids of all are forgotten beyond it.
const maxIDs = 256

func newDesktop(icon []byte) Sender { return &desktop{image: pixels(icon)} }

// Send opens the connection on first use and again after the bus was restarted.
func (d *desktop) Send(ctx context.Context, n Notification) error {
	if err := d.connect(ctx); err != nil {
		return fmt.Errorf("connect to the session bus: %w", err)
	}
	// The calls take no context. A service that does not answer is left by giving up the connection.
	conn := d.conn
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	d.meet()
	id, err := freedesktop.SendNotification(conn, freedesktop.Notification{
		AppName:       "Fairlead",
		ReplacesID:    d.ids[n.Key],
		Summary:       n.Title,
		Body:          escape(n.Body),
		Hints:         d.hints(),
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
			clear(d.ids)
		}
		d.ids[n.Key] = id
	}
	return nil
}

func (d *desktop) Close() error {
	if d.conn == nil {
		return nil
	}
	return d.conn.Close()
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
	d.conn = conn
	d.forget("")
	return nil
}

// meet asks who shows the notifications. A service that was restarted counts its ids anew: an id of the old one may be
// another program's notification by now.
func (d *desktop) meet() {
	var owner string
	err := d.conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, "org.freedesktop.Notifications").Store(&owner)
	if err != nil {
		owner = "" // nobody yet: the bus may start one when it is called
	}
	if owner != d.owner {
		d.forget(owner)
	}
}

func (d *desktop) forget(owner string) {
	d.owner, d.ids = owner, map[string]uint32{}
}

func (d *desktop) hints() map[string]dbus.Variant {
	hints := map[string]dbus.Variant{"category": dbus.MakeVariant("network")}
	if d.image != nil {
		hints["image-data"] = *d.image
	}
	return hints
}

// escape keeps the body from being read as markup, which the specification allows in bodies, and only there.
func escape(body string) string {
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
