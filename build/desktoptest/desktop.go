//go:build linux

package desktoptest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/jezek/xgb"
)

// NotificationService is the owner of org.freedesktop.Notifications on a desktop.
type NotificationService int

const (
	// NoNotifications leaves the name without an owner: a program that sends a notification gets an error.
	NoNotifications NotificationService = iota
	// Recorder is the test itself, which shows nothing and records every call.
	Recorder
	// Dunst is the notification daemon dunst, which draws on the screen.
	Dunst
	// Shell is the service of the desktop itself, GNOME Shell or Plasma, which draws on the screen.
	Shell
)

// Options configures a desktop. The zero value is an X server and a session bus: no panel, no notification service.
type Options struct {
	NoDisplay     bool                // no X server, and nothing below that draws
	NoBus         bool                // no session bus, panel or notification service
	Panel         bool                // xfce4-panel along the upper edge, with a notification area at its right end
	GNOME         bool                // GNOME Shell with the AppIndicator extension instead; see MissingGNOME
	Plasma        bool                // KDE Plasma with a panel along the lower edge instead; see MissingPlasma
	Dark          bool                // dark colours, of Plasma only
	Notifications NotificationService // the notification service
	Width, Height int                 // of the screen, in pixels; 0: 1024 by 640
}

// Desktop is a desktop and its programs. It belongs to the test that started it and ends with it.
type Desktop struct {
	options   Options
	dir       string
	env       map[string]string
	display   *xgb.Conn
	bus       *dbus.Conn
	monitor   *monitor
	panel     *process
	recorder  *recorder
	processes []*process
}

// Start starts a desktop and waits until it is ready. It fails the test if that is not possible; if programs are
// missing, the message has the command that installs them.
func Start(t testing.TB, o Options) *Desktop {
	t.Helper()
	if err := Missing(); err != nil {
		t.Fatal(err)
	}
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 1024, 640
	}
	d := &Desktop{options: o}
	d.makeDirectories(t)
	t.Cleanup(func() { d.stop(t) })
	if !o.NoDisplay {
		d.startDisplay(t)
	}
	if !o.NoBus {
		d.startBus(t)
	}
	switch {
	case o.Notifications != NoNotifications && o.NoBus:
		t.Fatal("a notification service needs a session bus")
	case o.Notifications == Recorder:
		d.recorder = startRecorder(t, d.bus)
	case o.Notifications == Dunst:
		d.startDunst(t)
	case o.Notifications == Shell && !o.GNOME && !o.Plasma:
		t.Fatal("only GNOME Shell and Plasma show notifications themselves")
	}
	if o.GNOME {
		d.env["XDG_CURRENT_DESKTOP"] = "GNOME"
	}
	if o.Plasma {
		d.plasmaEnvironment()
	}
	if o.Panel || o.GNOME || o.Plasma {
		d.startPanel(t)
	}
	if o.Notifications == Shell {
		waitFor(t, "the notification service", d.panel.Output, func() bool { return d.Owned(t, notificationsName) })
	}
	return d
}

// makeDirectories creates the home directory of the desktop. It does not use t.TempDir: the path of a Unix socket is
// limited to 108 bytes, and the name of a test may be long.
func (d *Desktop) makeDirectories(t testing.TB) {
	t.Helper()
	dir, err := os.MkdirTemp("", "desktop")
	if err != nil {
		t.Fatal(err)
	}
	d.dir = dir
	d.env = map[string]string{
		"PATH":                os.Getenv("PATH"),
		"LANG":                "C.UTF-8",
		"USER":                os.Getenv("USER"),
		"SHELL":               "/bin/sh",
		"HOME":                dir,
		"TMPDIR":              filepath.Join(dir, "tmp"),
		"XDG_RUNTIME_DIR":     filepath.Join(dir, "run"),
		"XDG_CONFIG_HOME":     filepath.Join(dir, "config"),
		"XDG_CACHE_HOME":      filepath.Join(dir, "cache"),
		"XDG_DATA_HOME":       filepath.Join(dir, "data"),
		"XDG_STATE_HOME":      filepath.Join(dir, "state"),
		"XDG_SESSION_TYPE":    "x11",
		"XDG_CURRENT_DESKTOP": "XFCE",
		"GSETTINGS_BACKEND":   "memory", // the default would start dconf's service
		"GTK_A11Y":            "none",
		"NO_AT_BRIDGE":        "1",
	}
	for name, path := range d.env {
		if name == "TMPDIR" || filepath.Dir(path) == dir {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Env returns the environment of a program on this desktop. From the environment of the test it has only PATH and USER.
func (d *Desktop) Env() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(d.env)) {
		env = append(env, name+"="+d.env[name])
	}
	return env
}

// Setenv sets a variable for programs that are started afterwards.
func (d *Desktop) Setenv(name, value string) { d.env[name] = value }

// Unsetenv removes a variable for programs that are started afterwards.
func (d *Desktop) Unsetenv(name string) { delete(d.env, name) }

// Getenv returns the value that programs on this desktop see, or "" if there is none.
func (d *Desktop) Getenv(name string) string { return d.env[name] }

// Home returns the home directory of the desktop, which contains the XDG directories. It is removed with the desktop.
func (d *Desktop) Home() string { return d.dir }

// stop stops the programs on the desktop, the last started first, and logs their output if the test failed.
func (d *Desktop) stop(t testing.TB) {
	if d.recorder != nil {
		d.recorder.stop()
	}
	if d.monitor != nil {
		d.monitor.stop()
	}
	if d.bus != nil {
		// The peer may have closed it first; either way the connection has ended.
		_ = d.bus.Close()
	}
	if d.display != nil {
		d.display.Close()
	}
	for _, p := range slices.Backward(d.processes) {
		p.stop()
		if output := p.Output(); t.Failed() && output != "" {
			t.Logf("%s wrote:\n%s", p.name, output)
		}
	}
	if err := os.RemoveAll(d.dir); err != nil {
		t.Errorf("remove the home directory of the desktop: %v", err)
	}
}

// write creates a file below the home directory, with the directories it is in.
func (d *Desktop) write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(fmt.Errorf("write %s: %w", name, err))
	}
	return path
}
