//go:build linux && desktops

package main

import (
	"fmt"
	"image"
	"path/filepath"
	"testing"

	"fairlead/build/desktoptest"
)

// TestPicturesOfNotifications takes the pictures of notifications, for task pictures. GNOME Shell and Plasma show them
// themselves; next to xfce4-panel, Dunst does.
func TestPicturesOfNotifications(t *testing.T) {
	dir := picturesDir(t)
	for _, look := range looks {
		t.Run("look"+look.suffix, func(t *testing.T) {
			look.options.Notifications = desktoptest.Shell
			if !look.options.GNOME && !look.options.Plasma {
				look.options.Notifications = desktoptest.Dunst
			}
			d := look.desktop(t)
			notificationPictures(t, d, func(name string, want int) {
				t.Helper()
				d.shootCards(t, filepath.Join(dir, name+look.suffix+".png"), want)
			}, look.options.GNOME)
		})
	}
}

// notificationPictures takes pictures of notifications. A desktop may show only one at a time.
func notificationPictures(t *testing.T, d *onDesktop, take func(name string, want int), single bool) {
	lab := entryOf(t, cluster.Kubeconfig, "demo")
	entries := map[string]entry{"kind-dev": lab, "cloud": d.cloudEntry(t)}
	for _, name := range []string{"minikube", "prod-eu", "staging", "lab"} {
		entries[name] = lab.with(map[string]any{"server": "https://127.0.0.1:1"}, nil)
	}
	d.start(t, write(t, filepath.Join(d.Home(), "kubeconfig"), kubeconfigOf(entries)), "kind-dev")
	d.icon.WaitShown(t)

	url := d.commandOn(t, "kind-dev")
	take("notification-on", 1)
	d.command(t, "on", "cloud")
	take("notification-login", 1)
	d.command(t, "on", "--yes", "minikube", "prod-eu", "staging", "lab")
	want := 2
	if single {
		want = 1
		take("notification-trouble", want)
	}
	for i := range 10 {
		if page, err := d.curl(t, url, fmt.Sprintf("http://bad-%d/", i)); err == nil {
			t.Errorf("a bad name answered %q", page)
		}
	}
	take("notifications", want)
}

// shootCards saves a picture of the notifications on the screen, and closes them.
func (d *onDesktop) shootCards(t *testing.T, file string, want int) {
	t.Helper()
	whole := image.Rectangle{}
	for _, card := range d.WaitCards(t, want) {
		whole = whole.Union(card)
	}
	d.Screenshot(t, file, whole.Inset(-12))
	d.CloseCards(t)
}
