//go:build linux && desktops

package main

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/build/desktoptest"
)

// A panelLook is a desktop that the pictures are taken on.
type panelLook struct {
	suffix  string
	options desktoptest.Options
	theme   string // of GTK
	style   string // of GNOME Shell
}

var looks = []panelLook{
	{"", desktoptest.Options{}, "Adwaita", ""},
	{"-dark", desktoptest.Options{}, "Adwaita:dark", ""},
	{"-gnome-dark", desktoptest.Options{GNOME: true}, "Adwaita", ""}, // GNOME Shell 43 has no other style
	{"-gnome-light", desktoptest.Options{GNOME: true}, "Adwaita", desktoptest.LightStyle},
	{"-plasma", desktoptest.Options{Plasma: true}, "Adwaita", ""},
	{"-plasma-dark", desktoptest.Options{Plasma: true, Dark: true}, "Adwaita", ""},
}

// picturesDir returns the directory of the pictures, FAIRLEAD_PICTURES.
func picturesDir(t *testing.T) string {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Fatal("the pictures would show a warning of root: run task pictures, which takes them as an ordinary user")
	}
	dir := os.Getenv("FAIRLEAD_PICTURES")
	if !filepath.IsAbs(dir) {
		t.Fatal("FAIRLEAD_PICTURES is no absolute path")
	}
	return dir
}

// TestPictures takes the pictures of the menu, for task pictures.
func TestPictures(t *testing.T) {
	dir := picturesDir(t)
	for _, look := range looks {
		t.Run("look"+look.suffix, func(t *testing.T) {
			look.options.Notifications = desktoptest.Recorder
			take := func(t *testing.T, d *onDesktop, name string, entry ...string) {
				d.shoot(t, filepath.Join(dir, name+look.suffix+".png"), entry...)
			}
			t.Run("one", func(t *testing.T) { onePictures(t, look, take) })
			t.Run("three", func(t *testing.T) { threePictures(t, look, take) })
			t.Run("few", func(t *testing.T) { fewPictures(t, look, take) })
			t.Run("many", func(t *testing.T) { manyPictures(t, look, take) })
			t.Run("hostile", func(t *testing.T) { hostilePictures(t, look, take) })
			t.Run("full", func(t *testing.T) { fullPictures(t, look, take) })
		})
	}
}

type taker func(t *testing.T, d *onDesktop, name string, entry ...string)

// desktop starts the desktop of a look, with the screen size of a small laptop, for a user of bash who has a terminal.
func (l panelLook) desktop(t *testing.T) *onDesktop {
	t.Helper()
	l.options.Width, l.options.Height = 1366, 768
	d := newDesktop(t, l.options)
	d.Setenv("GTK_THEME", l.theme)
	d.Setenv("SHELL", "/bin/bash")
	if !l.options.GNOME && !l.options.Plasma {
		d.StartPanel(t)
	}
	if l.style != "" {
		d.Style(t, l.style)
	}
	return d
}

// onePictures takes pictures of a single context.
func onePictures(t *testing.T, l panelLook, take taker) {
	d := l.desktop(t)
	d.cloudEntry(t) // its terminal
	lab := entryOf(t, cluster.Kubeconfig, "demo")
	d.start(t, write(t, filepath.Join(d.Home(), "one.yaml"), kubeconfigOf(map[string]entry{"lab": lab})), "lab")
	take(t, d, "menu-one-off", "Quit")
	d.icon.Click(t, d.startOf(t, "lab")...)
	d.waitOn(t, "lab")
	take(t, d, "menu-one", d.in(t, "lab", "Copy setup for bash")...)
}

// threePictures takes pictures of three contexts: one is on, one needs a login, one is for production.
func threePictures(t *testing.T, l panelLook, take taker) {
	d := l.desktop(t)
	lab := entryOf(t, cluster.Kubeconfig, "demo")
	config := kubeconfigOf(map[string]entry{"kind-dev": lab, "staging": d.cloudEntry(t), "prod-eu": lab})
	config["current-context"] = "kind-dev"
	d.start(t, write(t, filepath.Join(d.Home(), "three.yaml"), config), "★ kind-dev")
	take(t, d, "menu-three-off", "Quit")
	d.icon.Click(t, d.startOf(t, "★ kind-dev")...)
	d.waitOn(t, "★ kind-dev")
	d.icon.Click(t, d.startOf(t, "staging")...)
	d.row(t, "staging", "to need a login", func(n desktoptest.Node) bool { return strings.Contains(n.Label, state+"login") })
	path := d.in(t, "staging", "Log in…")
	d.icon.WaitAt(t, path...)
	take(t, d, "menu-three", "Quit")
	take(t, d, "menu-login", path...)
}

func fewPictures(t *testing.T, l panelLook, take taker) {
	d := l.desktop(t)
	d.cloudEntry(t) // its terminal
	d.Run(t, "nc", "-lk", "127.0.0.1", "1083")
	d.start(t, fewContexts(t, d.Home()), "★ dev")
	take(t, d, "menu-off", "★ dev")
	d.icon.Click(t, d.startOf(t, "staging")...)
	d.waitOn(t, "staging")
	take(t, d, "menu-production", "PROD prod-eu", "Start prod-eu")
	d.icon.Click(t, "PROD prod-eu", "Start prod-eu")
	d.waitOn(t, "PROD prod-eu")
	d.icon.Click(t, d.startOf(t, "away")...)
	d.waitTrouble(t, "away", unreachable)
	d.icon.Click(t, d.startOf(t, "legacy")...)
	d.row(t, "legacy", "to have failed", func(n desktoptest.Node) bool {
		return strings.Contains(n.Label, state) && !strings.Contains(n.Label, "…")
	})
	take(t, d, "menu-on", "Quit")
	take(t, d, "menu-details", d.in(t, "staging", "Stop")...)
	take(t, d, "menu-trouble", d.in(t, "away", "Diagnose…")...)
	take(t, d, "menu-failed", d.in(t, "legacy", "Try again")...)
	take(t, d, "menu-not-usable", d.in(t, "old", "Open kubeconfig")...)
	take(t, d, "menu", d.in(t, "staging", "More to copy", "bash, zsh")...)
	take(t, d, "menu-options", d.in(t, "staging", "Options", "Stop after: never", "1 hour")...)
	d.icon.Point(t, d.in(t, "staging", "Services", "Loading… Open this menu again in a moment.")...)
	d.CloseMenu(t)
	take(t, d, "menu-services", d.pathTo(t, "Copy http://hello.default.svc/")...)
	take(t, d, "menu-more", "Fairlead", "Notifications", "Connection failed")
}

// manyPictures takes pictures of 200 contexts, and then of some that are on.
func manyPictures(t *testing.T, l panelLook, take taker) {
	d := l.desktop(t)
	d.Setenv("KUBECONFIG", manyContexts(t, d.Home()))
	d.run(t)
	d.icon = d.Tray(t, "Fairlead")
	var path []string
	d.icon.WaitFor(t, "the contexts", func(menu desktoptest.Node) bool {
		var found bool
		path, _, found = rowPath(menu, "cluster-0 · europe-west1")
		return found
	})
	take(t, d, "menu-many-off", "Quit")
	take(t, d, "menu-many", path...)
	d.clickRow(t, "kind-3")
	d.clickRow(t, "team1-app-7")
	take(t, d, "menu-many-on", "Quit")
}

// hostilePictures takes pictures of names that are long, or contain characters with a meaning in menus.
func hostilePictures(t *testing.T, l panelLook, take taker) {
	d := l.desktop(t)
	long := strings.Repeat("a-very-long-name-", 7) + "x"
	path := write(t, filepath.Join(d.Home(), "names.yaml"), contextsNamed("arn:aws:eks:eu-central-1:123456789012:cluster/payments-production-blue-2026", "gke_my-proj_europe-west1_prod & more",
		"🚢 ship", "日本語-クラスター", long, "_under_", "end_", "<b>bold</b>"))
	d.start(t, path, "🚢 ship")
	d.clickRow(t, "_under_")
	take(t, d, "menu-names", "end_")
	take(t, d, "menu-names-details", d.in(t, "_under_", "Options")...)
}

// fullPictures takes pictures of as many contexts as the menu lists without groups, seven of them started, of which two
// are in trouble.
func fullPictures(t *testing.T, l panelLook, take taker) {
	d := l.desktop(t)
	lab := entryOf(t, cluster.Kubeconfig, "demo")
	away := lab.with(map[string]any{"server": "https://127.0.0.1:1"}, nil)
	names := []string{"auth", "billing", "build", "data", "docs", "edge", "lab", "live-shop", "mail", "maps", "qa", "search", "staging", "web"}
	entries := map[string]entry{}
	for i, name := range names {
		entries[name] = lab
		if i%4 == 3 {
			entries[name] = away
		}
	}
	d.start(t, write(t, filepath.Join(d.Home(), "full.yaml"), kubeconfigOf(entries)), "web")
	take(t, d, "menu-full-off", "Quit")
	for i, name := range names[:7] {
		if i%4 == 3 {
			d.clickRow(t, name)
			continue
		}
		d.icon.Click(t, d.startOf(t, name)...)
		d.waitOn(t, name)
	}
	take(t, d, "menu-full", "Quit")
	take(t, d, "menu-full-details", d.in(t, "billing", "More to copy")...)
}

// shoot saves a picture of the panel and the open menu, with the pointer on an entry.
func (d *onDesktop) shoot(t *testing.T, file string, entry ...string) {
	t.Helper()
	d.icon.WaitShown(t)
	d.icon.Point(t, entry...)
	d.WaitStill(t)
	whole := image.Rectangle{}
	for _, menu := range d.Menus(t) {
		whole = whole.Union(menu)
	}
	whole = whole.Inset(-12)
	if d.IconAt().Y < d.Size().Y/2 {
		whole.Min.Y = 0
	} else {
		whole.Max.Y = d.Size().Y
	}
	d.Screenshot(t, file, whole)
	d.CloseMenu(t)
}
