//go:build linux

package desktoptest

import (
	"image"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

// watcher is the bus name of the service that keeps the list of tray icons; the panel owns it.
const watcher = "org.kde.StatusNotifierWatcher"

// panelHeight is the height of the panel and the width of its icons, in pixels.
const panelHeight = 32

// panelSettings configure one panel along the upper edge with a notification area at its right end, so that a single
// icon is always at the same position.
const panelSettings = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
        <value type="int" value="2"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-2" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
      <property name="icon-size" type="int" value="22"/>
    </property>
  </property>
</channel>
`

// startPanel starts the panel for the first time.
func (d *Desktop) startPanel(t testing.TB) {
	t.Helper()
	if d.options.NoDisplay || d.options.NoBus {
		t.Fatal("a panel needs a display and a session bus")
	}
	if d.options.GNOME {
		d.startGNOME(t)
		return
	}
	if d.options.Plasma {
		d.startPlasma(t)
		return
	}
	d.write(t, "config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml", panelSettings)
	d.write(t, "config/gtk-3.0/gtk.css", menuStyle)
	d.runPanel(t)
}

// runPanel starts the panel and waits until tray icons can be registered.
func (d *Desktop) runPanel(t testing.TB) {
	t.Helper()
	if d.options.GNOME {
		d.runGNOME(t)
		return
	}
	if d.options.Plasma {
		d.runPlasma(t)
		return
	}
	d.panel = d.start(t, exec.Command("xfce4-panel", "--disable-wm-check"))
	waitFor(t, "the notification area of the panel", d.panel.Output, func() bool { return d.panelReady(t) })
}

// StopPanel kills the panel, as if it crashed, and waits until the list of tray icons has no owner.
func (d *Desktop) StopPanel(t testing.TB) {
	t.Helper()
	d.panel.signal(syscall.SIGKILL)
	<-d.panel.done
	d.processes = slices.DeleteFunc(d.processes, func(p *process) bool { return p == d.panel })
	waitFor(t, "the notification area to go", d.panel.Output, func() bool { return !d.panelReady(t) })
}

// panelName returns the bus name of the process that draws menus.
func (d *Desktop) panelName() string {
	if d.options.Plasma {
		return plasmaName
	}
	return watcher
}

// panelReady reports whether there is a panel, and a list of tray icons.
func (d *Desktop) panelReady(t testing.TB) bool {
	t.Helper()
	return d.Owned(t, d.panelName()) && d.Owned(t, watcher)
}

// StartPanel starts a panel if none is running.
func (d *Desktop) StartPanel(t testing.TB) {
	t.Helper()
	d.startPanel(t)
}

// RestartPanel stops the panel and starts it again.
func (d *Desktop) RestartPanel(t testing.TB) {
	t.Helper()
	d.StopPanel(t)
	d.runPanel(t)
}

// IconAt returns the middle of the first tray icon from the right.
func (d *Desktop) IconAt() image.Point {
	if d.options.Plasma {
		return image.Pt(d.options.Width-panelHeight*5/8, d.options.Height-panelHeight/2)
	}
	return image.Pt(d.options.Width-panelHeight/2, panelHeight/2)
}
