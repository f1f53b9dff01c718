//go:build linux && desktops

package main

import (
	"fmt"
	"image"
	"net"
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
	dir     string
}

var looks = []panelLook{
	{"", desktoptest.Options{}, "Adwaita", "", ""},
	{"-dark", desktoptest.Options{}, "Adwaita:dark", "", ""},
	{"-gnome-dark", desktoptest.Options{GNOME: true}, "Adwaita", "", ""}, // GNOME Shell 43 has no other style
	{"-gnome-light", desktoptest.Options{GNOME: true}, "Adwaita", desktoptest.LightStyle, ""},
	{"-plasma", desktoptest.Options{Plasma: true}, "Adwaita", "", ""},
	{"-plasma-dark", desktoptest.Options{Plasma: true, Dark: true}, "Adwaita", "", ""},
}

// TestPictures takes the pictures of the menu, for task pictures. FAIRLEAD_PICTURES is the directory.
func TestPictures(t *testing.T) {
	dir := os.Getenv("FAIRLEAD_PICTURES")
	if !filepath.IsAbs(dir) {
		t.Fatal("FAIRLEAD_PICTURES is no absolute path")
	}
	for _, look := range looks {
		look.dir = dir
		t.Run("look"+look.suffix, func(t *testing.T) {
			take := func(t *testing.T, d *onDesktop, name string, entry ...string) {
				d.shoot(t, filepath.Join(dir, name+look.suffix+".png"), entry...)
			}
			t.Run("one", func(t *testing.T) { onePictures(t, look, take) })
			t.Run("few", func(t *testing.T) { fewPictures(t, look, take) })
			t.Run("many", func(t *testing.T) { manyPictures(t, look, take) })
			t.Run("hostile", func(t *testing.T) { hostilePictures(t, look, take) })
			t.Run("full", func(t *testing.T) { fullPictures(t, look, take) })
		})
	}
}

// blankScreen is more than the size of a picture of the screen, in bytes, with nothing but a panel on it.
const blankScreen = 8000

type taker func(t *testing.T, d *onDesktop, name string, entry ...string)

// desktop starts the desktop of a look, with the screen size of a small laptop.
func (l panelLook) desktop(t *testing.T) *onDesktop {
	t.Helper()
	l.options.Width, l.options.Height = 1366, 768
	d := newDesktop(t, l.options)
	d.Setenv("GTK_THEME", l.theme)
	if !l.options.GNOME && !l.options.Plasma {
		d.StartPanel(t)
	}
	if l.style != "" {
		d.Style(t, l.style)
	}
	return d
}

// onePictures takes pictures of a single context, and of what is shown when it was started.
func onePictures(t *testing.T, l panelLook, take taker) {
	shows := !l.options.GNOME && !l.options.Plasma // these show notifications of their own at the start
	l.options.Notifications = desktoptest.Recorder
	if shows {
		l.options.Notifications = desktoptest.Dunst
	}
	d := l.desktop(t)
	path := write(t, filepath.Join(d.Home(), "one.yaml"), contextsNamed("lab"))
	d.start(t, path, "lab")
	take(t, d, "menu-one-off", "Quit")
	d.clickRow(t, "lab")
	if shows {
		file := filepath.Join(l.dir, "notification"+l.suffix+".png")
		d.icon.WaitFor(t, "the notification on the screen", func(desktoptest.Node) bool {
			d.Screenshot(t, file, image.Rectangle{})
			info, err := os.Stat(file)
			return err == nil && info.Size() > blankScreen
		})
	}
	take(t, d, "menu-one", d.in(t, "lab", "Try again")...)
}

func fewPictures(t *testing.T, l panelLook, take taker) {
	l.options.Notifications = desktoptest.Recorder
	d := l.desktop(t)
	taken, err := net.Listen("tcp", "127.0.0.1:1083")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d.start(t, fewContexts(t, d.Home()), "dev")
	take(t, d, "menu-off", "dev")
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
	take(t, d, "menu-trouble", d.in(t, "away", "Try again")...)
	take(t, d, "menu", d.in(t, "staging", "More to copy", "bash, zsh")...)
	take(t, d, "menu-options", d.in(t, "staging", "Options", "Stop after", "1 hour")...)
	d.icon.Point(t, d.in(t, "staging", "Services", "Loading… Open this menu again in a moment.")...)
	d.CloseMenu(t)
	take(t, d, "menu-services", d.pathTo(t, "Copy http://hello.default.svc/  (http)")...)
	take(t, d, "menu-more", "Fairlead", "Notifications", "Connection failed")
}

func manyPictures(t *testing.T, l panelLook, take taker) {
	l.options.Notifications = desktoptest.Recorder
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
	take(t, d, "menu-many", path...)
}

// hostilePictures takes pictures of names that are long, or contain characters with a meaning in menus.
func hostilePictures(t *testing.T, l panelLook, take taker) {
	l.options.Notifications = desktoptest.Recorder
	d := l.desktop(t)
	long := strings.Repeat("a-very-long-name-", 7) + "x"
	path := write(t, filepath.Join(d.Home(), "names.yaml"), contextsNamed("arn:aws:eks:eu-central-1:123456789012:cluster/payments-production-blue-2026", "gke_my-proj_europe-west1_prod & more",
		"🚢 ship", "日本語-クラスター", long, "_under_", "end_", "<b>bold</b>"))
	d.start(t, path, "🚢 ship")
	d.clickRow(t, "_under_")
	take(t, d, "menu-names", "end_")
	take(t, d, "menu-names-details", d.in(t, "_under_", "More to copy")...)
}

// fullPictures takes pictures of as many contexts as the menu lists without groups, most of them on. GTK scrolls such a
// menu, and Point does not.
func fullPictures(t *testing.T, l panelLook, take taker) {
	l.options.Notifications = desktoptest.Recorder
	d := l.desktop(t)
	var names []string
	for i := range 14 {
		names = append(names, fmt.Sprintf("cluster-%02d", i))
	}
	path := write(t, filepath.Join(d.Home(), "full.yaml"), contextsNamed(names...))
	d.start(t, path, names...)
	var last []string
	if l.options.GNOME || l.options.Plasma {
		last = []string{"Quit"}
	}
	take(t, d, "menu-full-off", last...)
	for _, name := range names[:8] {
		d.clickRow(t, name)
	}
	take(t, d, "menu-full", last...)
	if l.options.GNOME {
		take(t, d, "menu-full-details", d.in(t, "cluster-03", "More to copy")...)
	}
}

// shoot saves a picture of the panel and the open menu, with the pointer on an entry if there is one.
func (d *onDesktop) shoot(t *testing.T, file string, entry ...string) {
	t.Helper()
	d.icon.WaitShown(t)
	whole := image.Rectangle{}
	if len(entry) == 0 {
		whole = d.OpenMenu(t)
	} else {
		for _, menu := range d.icon.Point(t, entry...) {
			whole = whole.Union(menu)
		}
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
