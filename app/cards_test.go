//go:build linux && desktops

package main

import (
	"image"
	"testing"

	"fairlead/build/desktoptest"
)

// GNOME Shell itself shows the notification, and its button is clicked with the pointer.
func TestGNOMENotificationsCopyTheURL(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{GNOME: true, Notifications: desktoptest.Shell}, "demo")
	d.start(t, noCurrent, "demo")
	d.icon.WaitShown(t)
	url := d.commandOn(t, "demo")
	button := d.WaitCards(t, 1)[0].Max.Sub(image.Pt(50, 20)) // at the right end of the last row
	d.Click(t, button.X, button.Y)
	d.waitCopied(t, url)
}
