//go:build linux

package desktoptest

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// plasmaFiles are the settings of a Plasma with one panel along the lower edge, where KDE has it, and nothing in it but
// the notification area, so that a single icon is always at the same position. Its notifications stay for
// a minute, because a test on a busy machine can take longer than the usual five seconds to click one.
//
//go:embed plasma
var plasmaFiles embed.FS

// darkColours is the dark colour scheme of Plasma.
const darkColours = "/usr/share/color-schemes/BreezeDark.colors"

// activitiesService describes how to start the service that Plasma keeps its desktops with.
const activitiesService = "/usr/share/dbus-1/services/org.kde.ActivityManager.service"

// plasmaName is the bus name of the panel of Plasma. The list of tray icons, of which watcher is the name, has a
// process of its own.
const plasmaName = "org.kde.plasmashell"

// MissingPlasma returns an error that names what KDE Plasma needs in addition to Missing, with the command that installs
// it, or nil if nothing is missing.
func MissingPlasma() error {
	var absent []string
	for _, file := range []string{activitiesService, darkColours} {
		if !exists(file) {
			absent = append(absent, file)
		}
	}
	for _, name := range []string{"kded5", "kwin_x11", "plasmashell"} {
		if _, err := exec.LookPath(name); err != nil {
			absent = append(absent, name)
		}
	}
	if absent == nil {
		return nil
	}
	packages, err := plasmaFiles.ReadFile("plasma/packages.txt")
	if err != nil {
		return err
	}
	return fmt.Errorf("missing: %s; install with: apt-get install -y --no-install-recommends %s",
		strings.Join(absent, " "), strings.Join(strings.Fields(string(packages)), " "))
}

// plasmaEnvironment sets what a session of Plasma sets for its programs.
func (d *Desktop) plasmaEnvironment() {
	for name, value := range map[string]string{
		"XDG_CURRENT_DESKTOP": "KDE", "KDE_FULL_SESSION": "true", "KDE_SESSION_VERSION": "5", "QT_QUICK_BACKEND": "software",
	} {
		d.env[name] = value
	}
}

// startPlasma writes the configuration of Plasma and starts it: window manager, list of tray icons, and panel.
func (d *Desktop) startPlasma(t testing.TB) {
	t.Helper()
	if err := MissingPlasma(); err != nil {
		t.Fatal(err)
	}
	d.addService(t, activitiesService)
	err := fs.WalkDir(plasmaFiles, "plasma", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := d.plasmaFile(file)
		if err == nil {
			d.write(t, "config/"+path.Base(file), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.startPart(t, "kwin_x11")
	d.startPart(t, "kded5")
	d.runPlasma(t)
}

// plasmaFile returns a file of settings, as the options of the desktop want it.
func (d *Desktop) plasmaFile(file string) (string, error) {
	text, err := plasmaFiles.ReadFile(file)
	if err != nil {
		return "", err
	}
	switch name := path.Base(file); {
	case name == "kdeglobals" && d.options.Dark:
		colours, err := os.ReadFile(darkColours)
		return string(text) + "\n" + string(colours), err
	case name == "plasma-org.kde.plasma.desktop-appletsrc" && d.options.Notifications == Shell:
		return strings.Replace(string(text), "AppletOrder=", "AppletOrder=6;", 1) + notificationApplet, nil
	default:
		return string(text), nil
	}
}

// notificationApplet is the part of Plasma that shows notifications. It is at the left end of the panel, so that the icon
// of the program under test is where it is without it.
const notificationApplet = `
[Containments][2][Applets][6]
immutability=1
plugin=org.kde.plasma.notifications
`

// startPart starts a part of Plasma. There is no system bus, on which it would find the machine's battery, disks and
// network; but it does not start without one.
func (d *Desktop) startPart(t testing.TB, command ...string) *process {
	t.Helper()
	return d.start(t, exec.Command("env", append([]string{"DBUS_SYSTEM_BUS_ADDRESS=" + d.env["DBUS_SESSION_BUS_ADDRESS"]}, command...)...))
}

// runPlasma starts the panel and waits until it takes tray icons.
func (d *Desktop) runPlasma(t testing.TB) {
	t.Helper()
	d.panel = d.startPart(t, "plasmashell", "--no-respawn")
	waitFor(t, "Plasma and its notification area", d.panel.Output, func() bool { return d.panelReady(t) })
}
