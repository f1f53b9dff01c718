//go:build linux

package main

import (
	"net"
	"strings"
	"testing"

	"fairlead/build/desktoptest"
)

func TestCommandsAndMenuShareOneModel(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	if text := d.command(t, "status"); !strings.Contains(text, "runs in the panel") || !strings.Contains(text, "No context is on.") {
		t.Errorf("status:\n%s", text)
	}
	d.command(t, "on", "demo")
	address := d.waitOn(t, "demo")
	if text := d.command(t, "status"); !strings.Contains(text, address) {
		t.Errorf("status:\n%s", text)
	}
	d.icon.Click(t, d.startOf(t, "demo-team")...)
	team := d.waitOn(t, "demo-team")
	if text := d.command(t, "status"); !strings.Contains(text, team) {
		t.Errorf("status:\n%s", text)
	}
	d.command(t, "off", "--all")
	d.waitClosed(t, "demo", address)
	d.waitClosed(t, "demo-team", team)
	d.icon.Click(t, "Quit")
	d.program.Wait(t)
	if text, err := d.Output(t, built, "status"); err == nil {
		t.Errorf("status after the end:\n%s", text)
	}
}

func TestQuitByCommandEndsTheTray(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.command(t, "on", "demo")
	address := d.waitOn(t, "demo")
	if text := d.command(t, "quit"); !strings.Contains(text, "Fairlead has quit") {
		t.Fatalf("quit:\n%s", text)
	}
	d.program.Wait(t)
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Errorf("%s still answers", address)
	}
}
