package desktop

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"slices"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// MenuShown reports whether any menu is on the screen, of whatever program, and whether that can be known, which it can
// on X11. It does not outlast ctx.
func MenuShown(ctx context.Context) (shown, known bool) {
	display := os.Getenv("DISPLAY")
	if display == "" || os.Getenv("WAYLAND_DISPLAY") != "" {
		return false, false
	}
	xgb.Logger.SetOutput(io.Discard) // it logs to stderr what it also returns
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	shown, err = menuShown(conn)
	return shown, err == nil
}

// menuTypes are the types of windows that are menus (Extended Window Manager Hints 1.5). Tooltips have others.
var menuTypes = []string{"_NET_WM_WINDOW_TYPE_DROPDOWN_MENU", "_NET_WM_WINDOW_TYPE_POPUP_MENU"}

func menuShown(conn *xgb.Conn) (bool, error) {
	var atoms []xproto.Atom
	for _, name := range append([]string{"_NET_WM_WINDOW_TYPE"}, menuTypes...) {
		reply, err := xproto.InternAtom(conn, false, uint16(len(name)), name).Reply()
		if err != nil {
			return false, err
		}
		atoms = append(atoms, reply.Atom)
	}
	tree, err := xproto.QueryTree(conn, xproto.Setup(conn).DefaultScreen(conn).Root).Reply()
	if err != nil {
		return false, err
	}
	// All questions are sent before the first answer is read. A window may be destroyed at any time.
	attributes := make([]xproto.GetWindowAttributesCookie, len(tree.Children))
	types := make([]xproto.GetPropertyCookie, len(tree.Children))
	for i, window := range tree.Children {
		attributes[i] = xproto.GetWindowAttributes(conn, window)
		types[i] = xproto.GetProperty(conn, false, window, atoms[0], xproto.AtomAtom, 0, 1)
	}
	for i := range tree.Children {
		state, stateErr := attributes[i].Reply()
		kind, kindErr := types[i].Reply()
		if stateErr == nil && kindErr == nil && state.MapState == xproto.MapStateViewable && len(kind.Value) >= 4 &&
			slices.Contains(atoms[1:], xproto.Atom(binary.LittleEndian.Uint32(kind.Value))) {
			return true, nil
		}
	}
	return false, nil
}
