//go:build linux && desktops

package main

import (
	"image"
	"testing"

	"fairlead/build/desktoptest"
)

// copyFromCard clicks the button of a notification that the desktop itself shows, with the pointer.
func copyFromCard(t *testing.T, o desktoptest.Options) {
	o.Notifications = desktoptest.Shell
	d := newDesktop(t, o, "demo")
	d.start(t, noCurrent, "demo")
	d.icon.WaitShown(t)
	url := d.commandOn(t, "demo")
	button := d.WaitCards(t, 1)[0].Max.Sub(image.Pt(50, 20)) // at the right end of the last row
	d.MovePointer(t, button.X, button.Y)
	d.WaitStill(t) // Plasma's button takes a click only after it has seen the pointer
	d.Click(t, button.X, button.Y)
	d.waitCopied(t, url)
}

func TestGNOMENotificationsCopyTheURL(t *testing.T) {
	copyFromCard(t, desktoptest.Options{GNOME: true})
}

func TestPlasmaNotificationsCopyTheURL(t *testing.T) {
	copyFromCard(t, desktoptest.Options{Plasma: true})
}
