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

// cardTypes are the window types of notifications. Plasma has one more for those that are urgent.
var cardTypes = []string{"_NET_WM_WINDOW_TYPE_NOTIFICATION", "_KDE_NET_WM_WINDOW_TYPE_CRITICAL_NOTIFICATION"}

// openMenus returns the areas of the menus on the screen.
func openMenus(x *xgb.Conn) ([]image.Rectangle, error) {
	tree, err := xproto.QueryTree(x, xproto.Setup(x).DefaultScreen(x).Root).Reply()
	if err != nil {
		return nil, fmt.Errorf("list the windows: %w", err)
	}
	return ofType(x, tree.Children, menuTypes)
}

// openCards returns the areas of the notifications on the screen. A window manager makes them children of its own
// windows, and lists them.
func openCards(x *xgb.Conn) ([]image.Rectangle, error) {
	list, err := atom(x, "_NET_CLIENT_LIST")
	if err != nil {
		return nil, err
	}
	root := xproto.Setup(x).DefaultScreen(x).Root
	managed, err := xproto.GetProperty(x, false, root, list, xproto.AtomWindow, 0, 1000).Reply()
	if err != nil {
		return nil, fmt.Errorf("read the window manager's list: %w", err)
	}
	tree, err := xproto.QueryTree(x, root).Reply()
	if err != nil {
		return nil, fmt.Errorf("list the windows: %w", err)
	}
	for ids := managed.Value; len(ids) >= 4; ids = ids[4:] {
		tree.Children = append(tree.Children, xproto.Window(binary.LittleEndian.Uint32(ids)))
	}
	return ofType(x, tree.Children, cardTypes)
}

// ofType returns the areas of those windows that are on the screen and have one of these types.
func ofType(x *xgb.Conn, windows []xproto.Window, names []string) ([]image.Rectangle, error) {
	types, err := atom(x, "_NET_WM_WINDOW_TYPE")
	if err != nil {
		return nil, err
	}
	var wanted []xproto.Atom
	for _, name := range names {
		a, err := atom(x, name)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, a)
	}
	var found []image.Rectangle
	for _, window := range windows {
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
		at, err := xproto.TranslateCoordinates(x, window, g.Root, 0, 0).Reply()
		if err != nil {
			continue
		}
		found = append(found, image.Rect(int(at.DstX), int(at.DstY), int(at.DstX)+int(g.Width), int(at.DstY)+int(g.Height)))
	}
	return found, nil
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
