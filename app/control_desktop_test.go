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
	ask := func(args ...string) string {
		t.Helper()
		text, err := d.Output(t, built, args...)
		if err != nil {
			t.Fatalf("fairlead %s: %v\n%s", strings.Join(args, " "), err, text)
		}
		return text
	}
	if text := ask("status"); !strings.Contains(text, "runs in the panel") || !strings.Contains(text, "No context is on.") {
		t.Errorf("status:\n%s", text)
	}
	ask("on", "demo")
	address := d.waitOn(t, "demo")
	if text := ask("status"); !strings.Contains(text, address) {
		t.Errorf("status:\n%s", text)
	}
	d.icon.Click(t, d.startOf(t, "demo-team")...)
	team := d.waitOn(t, "demo-team")
	if text := ask("status"); !strings.Contains(text, team) {
		t.Errorf("status:\n%s", text)
	}
	ask("off", "--all")
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
	if text, err := d.Output(t, built, "on", "demo"); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	address := d.waitOn(t, "demo")
	text, err := d.Output(t, built, "quit")
	if err != nil || !strings.Contains(text, "Fairlead has quit") {
		t.Fatalf("quit: %v\n%s", err, text)
	}
	d.program.Wait(t)
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Errorf("%s still answers", address)
	}
}
