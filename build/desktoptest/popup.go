//go:build linux

package desktoptest

import (
	"fmt"
	"image"
	"strings"
	"testing"
	"time"
)

// heights are those in a menu of a panel, in pixels.
type heights struct {
	border    int // above the first row and below the last
	row       int
	separator int
	slack     int // by how much a menu may be higher or lower, because some rows are
}

var (
	// menuStyle sets them, so that a test knows where to click. The border is padding, since GTK draws a border over the
	// content.
	panelMenu = heights{border: 1, row: 26, separator: 9}
	// Those of Plasma's style, Breeze, with its usual font.
	plasmaMenu = heights{border: 3, row: 26, separator: 8, slack: 4}
)

func (d *Desktop) menuHeights() heights {
	if d.options.Plasma {
		return plasmaMenu
	}
	return panelMenu
}

var menuStyle = fmt.Sprintf(`
menu { padding: %dpx; margin: 0; border: 1px solid #b8b4b0; }
menu menuitem { min-height: %dpx; padding: 0 10px; margin: 0; }
menu separator { min-height: 1px; margin: %dpx 0; padding: 0; }
`, panelMenu.border, panelMenu.row, (panelMenu.separator-1)/2)

// openMenus returns the areas of the menus on the screen.
func (d *Desktop) openMenus(t testing.TB) []image.Rectangle {
	t.Helper()
	menus, err := openMenus(d.display)
	if err != nil {
		t.Fatal(err)
	}
	return menus
}

// OpenMenu clicks the tray icon with the pointer, unless a menu is open, and returns the area of the menu once it is on
// the screen.
func (d *Desktop) OpenMenu(t testing.TB) image.Rectangle {
	t.Helper()
	if d.options.GNOME {
		return d.openGNOMEMenu(t)
	}
	var menus []image.Rectangle
	var clicked time.Time
	pause := 500 * time.Millisecond
	waitFor(t, "a menu to open", d.panel.Output, func() bool {
		if menus = d.openMenus(t); len(menus) > 0 {
			return true
		}
		// A click before the panel has drawn the icon is lost; one too soon after the last closes the menu again.
		if time.Since(clicked) > pause {
			icon := d.IconAt()
			d.Click(t, icon.X, icon.Y)
			clicked = time.Now()
			pause *= 2
		}
		return false
	})
	return menus[0]
}

// OpenPanelMenu opens the menu of the panel itself, of xfce4-panel only.
func (d *Desktop) OpenPanelMenu(t testing.TB) {
	t.Helper()
	d.MovePointer(t, d.options.Width/2, panelHeight/2)
	d.command(t, "xdotool", "click", "3")
	waitFor(t, "the panel's menu to open", d.panel.Output, func() bool { return len(d.openMenus(t)) > 0 })
}

// CloseMenu closes all open menus with the keyboard.
func (d *Desktop) CloseMenu(t testing.TB) {
	t.Helper()
	if d.options.GNOME {
		d.closeGNOMEMenu(t)
		return
	}
	waitFor(t, "the menu to close", d.panel.Output, func() bool {
		if len(d.openMenus(t)) == 0 {
			return true
		}
		d.Key(t, "Escape")
		return false
	})
}

// Point opens the menu with the pointer, follows labels through the submenus to an entry and leaves the pointer on it.
// It returns the areas of the open menus, the submenus last.
func (i *TrayItem) Point(t testing.TB, labels ...string) []image.Rectangle {
	t.Helper()
	i.WaitAt(t, labels...)
	if i.desktop.options.GNOME {
		return i.pointInGNOME(t, labels...)
	}
	i.desktop.OpenMenu(t)
	var menu Node
	var err error
	var open []image.Rectangle
	var pointer image.Point
	var moved time.Time
	var wrong time.Time // since when the height of an open menu does not match its entries
	describe := func() string { return fmt.Sprintf("open are %v, and the menu is (%v):\n%s", open, err, menu) }
	waitFor(t, "the pointer to reach "+strings.Join(labels, " → "), describe, func() bool {
		if menu, err = i.read(t); err != nil {
			return false
		}
		open = i.desktop.openMenus(t) // a submenu is stacked above its menu, and so comes after it
		for depth, label := range labels {
			parent, known := menu.At(labels[:depth]...)
			if !known || depth >= len(open) {
				return false
			}
			at, height := i.desktop.menuHeights().place(parent, label, open[depth])
			if off := height - open[depth].Dy(); max(off, -off) > i.desktop.menuHeights().slack {
				// The menu is just changing, or it has changed since it was opened, and GTK does not resize an open
				// menu.
				switch {
				case wrong.IsZero():
					wrong = time.Now()
				case time.Since(wrong) > time.Second:
					i.desktop.CloseMenu(t)
					i.desktop.OpenMenu(t)
					pointer, wrong = image.Point{}, time.Time{}
				}
				return false
			}
			if submenu := depth+1 < min(len(open), len(labels)); submenu {
				continue
			}
			// Menus may ignore a pointer that moves before they are ready for it.
			if last := depth == len(labels)-1; at != pointer || !last && time.Since(moved) > time.Second {
				i.desktop.MovePointer(t, at.X, at.Y)
				pointer, moved = at, time.Now()
			}
		}
		return true
	})
	return open
}

// place returns the position of an entry in a menu, and the height of the menu with which it is right.
func (h heights) place(menu Node, label string, area image.Rectangle) (at image.Point, height int) {
	height = h.border
	for _, child := range menu.Children {
		switch {
		case !child.Visible:
			continue
		case child.Separator:
			height += h.separator
			continue
		case child.Label == label && at == image.Point{}:
			at = image.Pt((area.Min.X+area.Max.X)/2, area.Min.Y+height+h.row/2)
		}
		height += h.row
	}
	return at, height + h.border
}

// ClickWithMouse opens the menu and clicks the entry at a path of labels, all with the pointer, and waits until the menu is
// closed. The caller must check that the program reacts.
func (i *TrayItem) ClickWithMouse(t testing.TB, labels ...string) {
	t.Helper()
	i.Point(t, labels...)
	i.desktop.command(t, "xdotool", "click", "1")
	waitFor(t, "the menu to close after a click on "+strings.Join(labels, " → "), i.desktop.panel.Output, func() bool {
		return !i.desktop.menuOpen(t)
	})
}

// Menus returns the areas of the open menus, the submenus last.
func (d *Desktop) Menus(t testing.TB) []image.Rectangle {
	t.Helper()
	if !d.options.GNOME {
		return d.openMenus(t)
	}
	drawn := d.Drawn(t)
	if !drawn.Open {
		return nil
	}
	return []image.Rectangle{drawn.Box.Rectangle()}
}

// menuOpen reports whether any menu is on the screen.
func (d *Desktop) menuOpen(t testing.TB) bool {
	t.Helper()
	if !d.options.GNOME {
		return len(d.openMenus(t)) > 0
	}
	drawn, err := d.drawn()
	return err != nil || drawn.Open
}
