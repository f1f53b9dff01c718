//go:build linux

package desktoptest

import (
	"encoding/binary"
	"fmt"
	"image"
	"slices"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// menuTypes are the window types of menus, Extended Window Manager Hints 1.5. They distinguish a menu from a tooltip of
// the same program.
var menuTypes = []string{"_NET_WM_WINDOW_TYPE_DROPDOWN_MENU", "_NET_WM_WINDOW_TYPE_POPUP_MENU"}

// openMenus returns the areas of the menus on the screen.
func openMenus(x *xgb.Conn) ([]image.Rectangle, error) {
	tree, err := xproto.QueryTree(x, xproto.Setup(x).DefaultScreen(x).Root).Reply()
	if err != nil {
		return nil, fmt.Errorf("list the windows: %w", err)
	}
	types, err := atom(x, "_NET_WM_WINDOW_TYPE")
	if err != nil {
		return nil, err
	}
	var wanted []xproto.Atom
	for _, name := range menuTypes {
		a, err := atom(x, name)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, a)
	}
	var menus []image.Rectangle
	for _, window := range tree.Children {
		// A window may be destroyed at any time; then it no longer has attributes, geometry or a type.
		attributes, err := xproto.GetWindowAttributes(x, window).Reply()
		if err != nil || attributes.MapState != xproto.MapStateViewable {
			continue
		}
		kind, err := xproto.GetProperty(x, false, window, types, xproto.AtomAtom, 0, 1).Reply()
		if err != nil || len(kind.Value) < 4 || !slices.Contains(wanted, xproto.Atom(binary.LittleEndian.Uint32(kind.Value))) {
			continue
		}
		g, err := xproto.GetGeometry(x, xproto.Drawable(window)).Reply()
		if err != nil {
			continue
		}
		menus = append(menus, image.Rect(int(g.X), int(g.Y), int(g.X)+int(g.Width), int(g.Y)+int(g.Height)))
	}
	return menus, nil
}

func atom(x *xgb.Conn, name string) (xproto.Atom, error) {
	reply, err := xproto.InternAtom(x, false, uint16(len(name)), name).Reply()
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", name, err)
	}
	return reply.Atom, nil
}

// paint sets the background colour of the screen.
func paint(x *xgb.Conn, colour uint32) error {
	root := xproto.Setup(x).DefaultScreen(x).Root
	if err := xproto.ChangeWindowAttributesChecked(x, root, xproto.CwBackPixel, []uint32{colour}).Check(); err != nil {
		return fmt.Errorf("colour the screen: %w", err)
	}
	if err := xproto.ClearAreaChecked(x, false, root, 0, 0, 0, 0).Check(); err != nil {
		return fmt.Errorf("paint the screen: %w", err)
	}
	return nil
}
