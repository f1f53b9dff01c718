//go:build !windows && !darwin

package tray

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"maps"

	"github.com/godbus/dbus/v5"

	"fairlead/assets"
)

// answer responds to a method call from a panel.
func (n *notifier) answer(call *dbus.Message) {
	values, err := n.values(call)
	if call.Flags&dbus.FlagNoReplyExpected != 0 {
		return
	}
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Body: values, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: call.Headers[dbus.FieldSender],
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
	}}
	if err != nil {
		reply.Type, reply.Body = dbus.TypeError, []any{err.Error()}
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(err.name)
	}
	n.send(reply)
	n.menu.signalUnread()
}

// busError is an error with its D-Bus name.
type busError struct{ name, text string }

func (e *busError) Error() string { return e.text }

func unknownMethod(call *dbus.Message) *busError {
	return &busError{busName + ".Error.UnknownMethod", fmt.Sprintf("there is no %s.%s at %s",
		header(call, dbus.FieldInterface), header(call, dbus.FieldMember), header(call, dbus.FieldPath))}
}

func invalid(err error) *busError { return &busError{busName + ".Error.InvalidArgs", err.Error()} }

func (n *notifier) values(call *dbus.Message) ([]any, *busError) {
	path, name := dbus.ObjectPath(header(call, dbus.FieldPath)), header(call, dbus.FieldInterface)
	switch {
	case name == "org.freedesktop.DBus.Properties" && (path == itemPath || path == menuPath):
		return n.property(call, path)
	case name == "org.freedesktop.DBus.Introspectable":
		return []any{description}, nil
	case name == "org.freedesktop.DBus.Peer" && header(call, dbus.FieldMember) == "Ping":
		return nil, nil
	case path == menuPath && (name == menuInterface || name == ""):
		return n.menu.answer(call)
	case path == itemPath && (name == itemInterface || name == ""):
		switch header(call, dbus.FieldMember) {
		case "Activate":
			// Plasma shows the menu only if there is no other answer to a click.
			return nil, unknownMethod(call)
		case "SecondaryActivate":
			if !n.menu.on.middleClicked() {
				return nil, unknownMethod(call)
			}
		case "XAyatanaSecondaryActivate":
			// GNOME's extension calls SecondaryActivate only if the error of this is UnknownMethod.
			n.menu.on.middleClicked()
		}
		// Other methods, such as ContextMenu and Scroll, do nothing: panels show the menu by themselves.
		return nil, nil
	}
	return nil, unknownMethod(call)
}

// property responds to the methods of org.freedesktop.DBus.Properties.
func (n *notifier) property(call *dbus.Message, path dbus.ObjectPath) ([]any, *busError) {
	var of, name string
	all := n.itemProperties()
	if path == menuPath {
		all = map[string]any{"Version": uint32(3), "TextDirection": "ltr", "Status": "normal", "IconThemePath": []string{}}
	}
	switch header(call, dbus.FieldMember) {
	case "Get":
		if err := dbus.Store(call.Body, &of, &name); err != nil {
			return nil, invalid(err)
		}
		value, ok := all[name]
		if !ok {
			return nil, &busError{busName + ".Error.UnknownProperty", fmt.Sprintf("there is no property %q", name)}
		}
		return []any{dbus.MakeVariant(value)}, nil
	case "GetAll":
		variants := map[string]dbus.Variant{}
		for name, value := range maps.All(all) {
			variants[name] = dbus.MakeVariant(value)
		}
		return []any{variants}, nil
	}
	return nil, unknownMethod(call)
}

// picture has the D-Bus type (iiay): width, height, and the pixels row by row, each as alpha, red, green and blue.
type picture struct {
	Width, Height int32
	Pixels        []byte
}

// itemProperties returns the properties of a StatusNotifierItem. Some panels require all of them.
func (n *notifier) itemProperties() map[string]any {
	return map[string]any{
		"Category": "ApplicationStatus", "Id": "Fairlead", "Title": "Fairlead", "Status": n.status(), "WindowId": int32(0),
		"IconThemePath": "", "IconName": "", "IconPixmap": pictures(n.icon), "OverlayIconName": "", "OverlayIconPixmap": []picture{},
		"AttentionIconName": "", "AttentionIconPixmap": pictures(n.icon), "AttentionMovieName": "",
		"ToolTip": struct {
			IconName string
			Icon     []picture
			Title    string
			Text     string
		}{"", []picture{}, n.tooltip, ""},
		// GNOME Shell passes it to screen readers, and reads it whenever the icon changes.
		"IconAccessibleDesc": n.tooltip, "AttentionAccessibleDesc": n.tooltip,
		"ItemIsMenu": true, "Menu": menuPath,
	}
}

// pictures returns an icon in several sizes, in D-Bus form. Panels choose one.
func pictures(name string) []picture {
	all := []picture{}
	for _, size := range assets.Sizes(name) {
		if decoded, err := png.Decode(bytes.NewReader(size)); err == nil { // the built-in icons are valid PNGs
			all = append(all, pixels(decoded))
		}
	}
	return all
}

func pixels(img image.Image) picture {
	size := img.Bounds().Size()
	straight := image.NewNRGBA(image.Rect(0, 0, size.X, size.Y))
	draw.Draw(straight, straight.Bounds(), img, img.Bounds().Min, draw.Src)
	p := picture{int32(size.X), int32(size.Y), straight.Pix}
	for i := 0; i < len(p.Pixels); i += 4 {
		red, green, blue, alpha := p.Pixels[i], p.Pixels[i+1], p.Pixels[i+2], p.Pixels[i+3]
		p.Pixels[i], p.Pixels[i+1], p.Pixels[i+2], p.Pixels[i+3] = alpha, red, green, blue
	}
	return p
}

// description is for tools that inspect the bus. Panels do not need it.
const description = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
 <interface name="org.kde.StatusNotifierItem">
  <property name="Id" type="s" access="read"/><property name="Title" type="s" access="read"/><property name="Status" type="s" access="read"/>
  <property name="Menu" type="o" access="read"/><property name="ItemIsMenu" type="b" access="read"/>
  <signal name="NewIcon"/><signal name="NewAttentionIcon"/><signal name="NewStatus"><arg type="s"/></signal><signal name="NewToolTip"/>
 </interface>
 <interface name="com.canonical.dbusmenu">
  <method name="GetLayout"><arg type="i" direction="in"/><arg type="i" direction="in"/><arg type="as" direction="in"/><arg type="u" direction="out"/><arg type="(ia{sv}av)" direction="out"/></method>
  <method name="Event"><arg type="i" direction="in"/><arg type="s" direction="in"/><arg type="v" direction="in"/><arg type="u" direction="in"/></method>
  <signal name="LayoutUpdated"><arg type="u"/><arg type="i"/></signal>
 </interface>
 <node name="StatusNotifierItem"/>
</node>
`
