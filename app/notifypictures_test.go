//go:build linux && desktops

package main

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/build/desktoptest"
)

// TestPicturesOfNotifications takes pictures of Dunst's notifications, for task pictures.
func TestPicturesOfNotifications(t *testing.T) {
	dir := os.Getenv("FAIRLEAD_PICTURES")
	if !filepath.IsAbs(dir) {
		t.Fatal("FAIRLEAD_PICTURES is no absolute path")
	}
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Dunst})
	take := func(name string, want int) {
		t.Helper()
		d.icon.WaitFor(t, fmt.Sprint(want, " notifications"), func(desktoptest.Node) bool { return d.displayed(t) == want })
		// What is still counted is drawn in place, and Dunst returns the text of a card only after it was closed.
		time.Sleep(2 * time.Second)
		d.Screenshot(t, filepath.Join(dir, name+".png"), image.Rect(640, 0, 1024, 400))
		if _, err := d.Output(t, "dunstctl", "close-all"); err != nil {
			t.Error(err)
		}
	}
	d.cloud(t)
	entries := map[string]entry{"kind-dev": entryOf(t, cluster.Kubeconfig, "demo"), "cloud": entryOf(t, cluster.KubeconfigToken, "demo-token").with(nil, map[string]any{
		"exec": map[string]any{"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "interactiveMode": "Never"},
	})}
	for _, name := range []string{"minikube", "prod-eu", "staging", "lab"} {
		entries[name] = entry{cluster: map[string]any{"server": "https://127.0.0.1:1"}, user: map[string]any{"token": "none"}}
	}
	troubled := troubled{desktop: d}
	troubled.write(t, filepath.Join(d.Home(), "kubeconfig"), kubeconfigOf(entries))
	d.icon.WaitAt(t, "kind-dev")

	url := d.commandOn(t, "kind-dev")
	take("notification-on", 1)
	d.command(t, "on", "cloud")
	take("notification-login", 1)
	d.command(t, "on", "--yes", "minikube", "prod-eu", "staging", "lab")
	for i := range 10 {
		if page, err := d.curl(t, url, fmt.Sprintf("http://bad-%d/", i)); err == nil {
			t.Errorf("a bad name answered %q", page)
		}
	}
	take("notifications", 2)
}
