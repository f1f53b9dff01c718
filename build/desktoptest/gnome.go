//go:build linux

package desktoptest

import (
	"embed"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// GNOME Shell shows tray icons only with an extension, which Ubuntu and others ship enabled.
const trayExtension = "ubuntu-appindicators@ubuntu.com"

// shellNotifications describes how to start the notification service of GNOME Shell, which is a process of its own.
const shellNotifications = "/usr/share/dbus-1/services/org.gnome.Shell.Notifications.service"

// testExtension reports positions on the screen; see gnome/extension.js.
const (
	testExtension = "desktoptest@fairlead"
	shellName     = "fairlead.desktoptest.Shell"
)

//go:embed gnome/extension.js gnome/metadata.json
var testExtensionFiles embed.FS

const shellSettings = `[org/gnome/shell]
enabled-extensions=['` + trayExtension + `', '` + testExtension + `']
welcome-dialog-last-shown-version='99'

[org/gnome/desktop/interface]
enable-animations=false

[org/gnome/desktop/background]
picture-options='none'
primary-color='#3b5b76'
`

//go:embed gnome/packages.txt
var gnomePackages string

// MissingGNOME returns an error that names what GNOME needs in addition to Missing, with the command that installs it,
// or nil if nothing is missing. Its packages are not among Requirements because they are larger than all others
// together.
func MissingGNOME() error {
	var absent []string
	for _, path := range []string{"/usr/share/gnome-shell/extensions/" + trayExtension, filepath.Dir(LightStyle)} {
		if !exists(path) {
			absent = append(absent, path)
		}
	}
	for _, name := range []string{"gnome-shell", "gjs"} { // its notification service is run by gjs
		if _, err := exec.LookPath(name); err != nil {
			absent = append(absent, name)
		}
	}
	if absent == nil {
		return nil
	}
	return fmt.Errorf("missing: %s; install with: apt-get install -y --no-install-recommends %s",
		strings.Join(absent, " "), strings.Join(strings.Fields(gnomePackages), " "))
}

// startGNOME writes GNOME Shell's configuration and starts it.
func (d *Desktop) startGNOME(t testing.TB) {
	t.Helper()
	if err := MissingGNOME(); err != nil {
		t.Fatal(err)
	}
	d.write(t, "config/glib-2.0/settings/keyfile", shellSettings)
	// Otherwise it begins with a notification, that it cannot lock the screen.
	d.write(t, "data/gnome-shell/lock-warning-shown", "")
	for _, name := range []string{"extension.js", "metadata.json"} {
		text, err := testExtensionFiles.ReadFile("gnome/" + name)
		if err != nil {
			t.Fatal(err)
		}
		d.write(t, "data/gnome-shell/extensions/"+testExtension+"/"+name, string(text))
	}
	if d.options.Notifications == Shell {
		d.addService(t, shellNotifications)
	}
	d.runGNOME(t)
}

// runGNOME starts GNOME Shell, as the window manager and compositor of the X server, and waits until it is ready.
func (d *Desktop) runGNOME(t testing.TB) {
	t.Helper()
	// It does not start without a system bus, but does not need any service on it.
	d.panel = d.start(t, exec.Command("env", "DBUS_SYSTEM_BUS_ADDRESS="+d.env["DBUS_SESSION_BUS_ADDRESS"],
		"GSETTINGS_BACKEND=keyfile", "LIBGL_ALWAYS_SOFTWARE=1", "gnome-shell", "--x11", "--sm-disable"))
	waitFor(t, "GNOME Shell and its notification area", d.panel.Output, func() bool { return d.Owned(t, shellName) && d.Owned(t, watcher) })
}

// LightStyle is Ubuntu's light style for GNOME Shell 43, which has none of its own.
const LightStyle = "/usr/share/gnome-shell/theme/Yaru/gnome-shell.css"

// Style applies a stylesheet to GNOME Shell, as its extension "User Themes" does.
func (d *Desktop) Style(t testing.TB, file string) {
	t.Helper()
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	if err := d.shell().Call(shellName+".Style", 0, file).Err; err != nil {
		t.Fatalf("style GNOME Shell: %v", err)
	}
}

// SetExtension turns GNOME Shell's notification area on or off, and waits until it is. Without it there are no tray
// icons.
func (d *Desktop) SetExtension(t testing.TB, on bool) {
	t.Helper()
	method := "org.gnome.Shell.Extensions.DisableExtension"
	if on {
		method = "org.gnome.Shell.Extensions.EnableExtension"
	}
	var done bool
	if err := d.bus.Object("org.gnome.Shell", "/org/gnome/Shell").Call(method, 0, trayExtension).Store(&done); err != nil || !done {
		t.Fatalf("%s: %t, %v", method, done, err)
	}
	waitFor(t, "the notification area to come or go", d.panel.Output, func() bool { return d.Owned(t, watcher) == on })
}

func (d *Desktop) shell() dbus.BusObject { return d.bus.Object(shellName, "/Shell") }

// Drawn is the menu of the first tray icon as GNOME Shell has drawn it.
type Drawn struct {
	Icon Box
	Open bool
	Box  Box
	Rows []DrawnRow
}

// DrawnRow is a line of a drawn menu; hidden lines are omitted. Lines of a closed submenu have no position.
type DrawnRow struct {
	Label     string
	Sign      string // in front of the label
	Separator bool
	Enabled   bool
	Checked   bool
	Cut       bool // the label does not fit and ends in an ellipsis
	Submenu   bool
	Open      bool // whether its submenu is open
	Box       Box
	Seen      Box // the part of Box that is visible in scrolling submenus
	View      Box // the part of the screen into which the row can be scrolled
	Rows      []DrawnRow
}

// Box is a part of the screen, in pixels.
type Box struct{ X, Y, Width, Height int }

// Rectangle returns the box as an image.Rectangle.
func (b Box) Rectangle() image.Rectangle { return image.Rect(b.X, b.Y, b.X+b.Width, b.Y+b.Height) }

// Middle returns the point in the middle.
func (b Box) Middle() image.Point { return image.Pt(b.X+b.Width/2, b.Y+b.Height/2) }

// At returns the row at a path of labels from the top, one per level.
func (m Drawn) At(labels ...string) (DrawnRow, bool) {
	found := DrawnRow{Rows: m.Rows}
	for _, label := range labels {
		i := slices.IndexFunc(found.Rows, func(r DrawnRow) bool { return r.Label == label })
		if i < 0 {
			return DrawnRow{}, false
		}
		found = found.Rows[i]
	}
	return found, true
}

// Walk calls visit for every row on the screen, from top to bottom, with its depth in submenus.
func (m Drawn) Walk(visit func(row DrawnRow, depth int)) { walk(m.Rows, 0, visit) }

func walk(rows []DrawnRow, depth int, visit func(DrawnRow, int)) {
	for _, row := range rows {
		visit(row, depth)
		if row.Open {
			walk(row.Rows, depth+1, visit)
		}
	}
}
