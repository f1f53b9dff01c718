//go:build linux

package desktoptest

import (
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"
	"time"
)

// How high things are in a menu of the panel, in pixels: menuStyle makes it so, and so a test knows where to click.
const (
	borderHeight    = 1 // above the first row and below the last; GTK draws a border over what is inside it, so it is padding
	rowHeight       = 26
	separatorHeight = 9
)

var menuStyle = fmt.Sprintf(`
menu { padding: %dpx; margin: 0; border: 1px solid #b8b4b0; }
menu menuitem { min-height: %dpx; padding: 0 10px; margin: 0; }
menu separator { min-height: 1px; margin: %dpx 0; padding: 0; }
`, borderHeight, rowHeight, (separatorHeight-1)/2)

// openMenus are the areas of the menus that are on the screen.
func (d *Desktop) openMenus(t testing.TB) []image.Rectangle {
	t.Helper()
	menus, err := openMenus(d.display)
	if err != nil {
		t.Fatal(err)
	}
	return menus
}

// OpenMenu clicks the tray icon with the pointer, unless a menu is open, and returns the area of the menu when it is on the
// screen.
func (d *Desktop) OpenMenu(t testing.TB) image.Rectangle {
	t.Helper()
	var menus []image.Rectangle
	var clicked time.Time
	pause := 500 * time.Millisecond
	waitFor(t, "a menu to open", d.panel.Output, func() bool {
		if menus = d.openMenus(t); len(menus) > 0 {
			return true
		}
		// A click where the panel has not drawn the icon yet is lost; one too soon after the last closes the menu again.
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

// CloseMenu closes all menus that are open, by the keyboard.
func (d *Desktop) CloseMenu(t testing.TB) {
	t.Helper()
	waitFor(t, "the menu to close", d.panel.Output, func() bool {
		if len(d.openMenus(t)) == 0 {
			return true
		}
		d.Key(t, "Escape")
		return false
	})
}

// Point opens the menu with the pointer, follows labels through the submenus to an entry and leaves the pointer on it. It
// returns the areas of the menus that are open then, the submenus last.
func (i *TrayItem) Point(t testing.TB, labels ...string) []image.Rectangle {
	t.Helper()
	i.WaitAt(t, labels...)
	open := []image.Rectangle{i.desktop.OpenMenu(t)}
	for depth := range labels {
		if depth > 0 {
			open = append(open, i.submenu(t, open))
		}
		var at image.Point
		area := open[depth]
		i.WaitFor(t, "the menu on the screen to be the one on the bus", func(menu Node) bool {
			parent, ok := menu.At(labels[:depth]...)
			if !ok {
				return false
			}
			// An open menu grows and shrinks with its entries.
			now := i.desktop.openMenus(t)
			for _, r := range now {
				if r.Min == area.Min || r.Overlaps(area) && r.Dx() == area.Dx() {
					area = r
				}
			}
			var height int
			at, height = place(parent, labels[depth], area)
			return height == area.Dy()
		})
		open[depth] = area
		i.desktop.MovePointer(t, at.X, at.Y)
	}
	return open
}

// place is where in a menu an entry is, and how high the menu must be for that to be right.
func place(menu Node, label string, area image.Rectangle) (at image.Point, height int) {
	height = borderHeight
	for _, child := range menu.Children {
		switch {
		case !child.Visible:
			continue
		case child.Separator:
			height += separatorHeight
			continue
		case child.Label == label && at == image.Point{}:
			at = image.Pt((area.Min.X+area.Max.X)/2, area.Min.Y+height+rowHeight/2)
		}
		height += rowHeight
	}
	return at, height + borderHeight
}

// submenu waits for a menu beside those that are open.
func (i *TrayItem) submenu(t testing.TB, open []image.Rectangle) image.Rectangle {
	t.Helper()
	var beside image.Rectangle
	waitFor(t, "a submenu to open", i.desktop.panel.Output, func() bool {
		for _, r := range i.desktop.openMenus(t) {
			if !slices.Contains(open, r) {
				beside = r
				return true
			}
		}
		return false
	})
	return beside
}

// ClickWithMouse opens the menu and clicks the entry at a path of labels, all with the pointer, and waits until the menu is
// closed. That the program does something about it is for the caller to see.
func (i *TrayItem) ClickWithMouse(t testing.TB, labels ...string) {
	t.Helper()
	i.Point(t, labels...)
	i.desktop.command(t, "xdotool", "click", "1")
	waitFor(t, "the menu to close after a click on "+strings.Join(labels, " → "), i.desktop.panel.Output, func() bool {
		return len(i.desktop.openMenus(t)) == 0
	})
}
