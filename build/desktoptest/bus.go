//go:build linux

package desktoptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/godbus/dbus/v5"
)

// busConfiguration configures a session bus on which any program may own any name. It has its own directory of
// services: with the machine's, calling org.freedesktop.Notifications would start the installed notification daemon.
const busConfiguration = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:runtime=yes</listen>
  <auth>EXTERNAL</auth>
  <servicedir>services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// xfconfService describes how to start the panel's settings service; the bus starts it when the panel calls it.
const xfconfService = "/usr/share/dbus-1/services/org.xfce.Xfconf.service"

// startBus starts a session bus and connects the test to it.
func (d *Desktop) startBus(t testing.TB) {
	t.Helper()
	service, err := os.ReadFile(xfconfService)
	if err != nil {
		t.Fatalf("find the settings service of xfce4-panel: %v", err)
	}
	d.write(t, "bus/services/org.xfce.Xfconf.service", string(service))
	daemon := d.start(t, exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
		"--config-file="+d.write(t, "bus/session.conf", busConfiguration)))

	address := "unix:path=" + filepath.Join(d.env["XDG_RUNTIME_DIR"], "bus")
	waitFor(t, "the session bus", daemon.Output, func() bool {
		d.bus, err = dbus.Connect(address)
		return err == nil
	})
	d.env["DBUS_SESSION_BUS_ADDRESS"] = address
	d.monitor = startMonitor(t, address)
}

// addService lets the session bus start a service of the machine, which the file describes.
func (d *Desktop) addService(t testing.TB, file string) {
	t.Helper()
	service, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d.write(t, "bus/services/"+filepath.Base(file), string(service))
	if err := d.bus.BusObject().Call("org.freedesktop.DBus.ReloadConfig", 0).Err; err != nil {
		t.Fatalf("make the session bus read its services: %v", err)
	}
}

// Owned reports whether a name on the session bus has an owner.
func (d *Desktop) Owned(t testing.TB, name string) bool {
	t.Helper()
	return d.owner(t, name) != ""
}

// owner returns the unique name of the connection that owns name, or "" if there is none.
func (d *Desktop) owner(t testing.TB, name string) string {
	t.Helper()
	var owner string
	if err := d.bus.BusObject().CallWithContext(t.Context(), "org.freedesktop.DBus.GetNameOwner", 0, name).Store(&owner); err != nil {
		return ""
	}
	return owner
}
