//go:build linux && desktops

package main

import (
	"image"
	"path/filepath"
	"testing"

	"fairlead/build/desktoptest"
)

// onPlasma returns a desktop with KDE Plasma, with Fairlead on a kubeconfig with these contexts, whose cluster does not
// respond.
func onPlasma(t *testing.T, contexts ...string) *onDesktop {
	t.Helper()
	d := newDesktop(t, desktoptest.Options{Plasma: true, Notifications: desktoptest.Recorder, Width: 1280, Height: 800}, contexts...)
	d.start(t, write(t, filepath.Join(d.Home(), "contexts.yaml"), contextsNamed(contexts...)))
	d.icon.WaitShown(t)
	return d
}

func TestPlasmaOpensTheMenuAtALeftClick(t *testing.T) {
	d := onPlasma(t, "a")
	d.icon.ClickWithMouse(t, "Quit")
	if code := d.program.Wait(t); code != 0 {
		t.Errorf("fairlead ended with %d", code)
	}
}

// The icon is in the corner of the screen. A submenu that Plasma reads after it has opened it grows out of the screen.
func TestPlasmaHasRoomForSubmenusWhenTheyAreFirstOpened(t *testing.T) {
	d := onPlasma(t, "a")
	var path []string
	menu := d.icon.Menu(t)
	for len(menu.Children) > 0 {
		last := desktoptest.Node{}
		for _, n := range menu.Children {
			if n.Visible && n.Enabled && !n.Separator && (len(n.Children) > 0 || len(last.Children) == 0) {
				last = n
			}
		}
		path, menu = append(path, last.Label), last
	}
	if len(path) < 2 {
		t.Fatalf("there is no submenu: %q", path)
	}
	for _, area := range d.icon.Point(t, path...) {
		if !area.In(image.Rectangle{Max: d.Size()}) {
			t.Errorf("with the pointer on %q, a menu is at %v", path, area)
		}
	}
}

func TestPlasmaTakesFewClicks(t *testing.T) { doTasks(t, desktoptest.Options{Plasma: true}) }

func TestPlasmaForwardsAServiceByAClick(t *testing.T) {
	forwardByClicks(t, desktoptest.Options{Plasma: true})
}

func TestPlasmaRefusesHostsOutsideByAClick(t *testing.T) {
	refuseOutsideByClicks(t, desktoptest.Options{Plasma: true})
}

func TestPlasmaPassesOnAMiddleClick(t *testing.T) {
	d := onPlasma(t, "a")
	d.configure(t, "middle-click: copy-url\n")
	d.middleClick(t, d.IconAt, "Not copied")
}
