//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/build/desktoptest"
)

// A desktop starts programs without the kubeconfig variables of the user's shell.
func TestKubeconfigOfTheLoginShellIsFound(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true}, "demo", "demo-team")
	profile := "echo noise; export KUBECONFIG=" + noCurrent + "\n"
	if err := os.WriteFile(filepath.Join(d.Home(), ".bash_profile"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Setenv("HOME", d.Home())
	d.Setenv("SHELL", "/bin/bash")
	d.Unsetenv("TERM")
	d.Unsetenv("KUBECONFIG")
	d.run(t)
	d.icon = d.Tray(t, "Fairlead")
	d.row(t, "demo-team", "to be there", func(desktoptest.Node) bool { return true })
	d.icon.Click(t, "demo")
	address := d.waitOn(t, "demo")
	page, err := d.curl(t, "socks5h://"+address, hello)
	fromHello(t, "curl", page, err)
	d.icon.Click(t, "Quit")
	d.program.Wait(t)

	// What was on is on again, although its kubeconfig is found late.
	d.run(t)
	d.icon = d.Tray(t, "Fairlead")
	if again := d.waitOn(t, "demo"); again != address {
		t.Errorf("it listens on %s, and did on %s", again, address)
	}

	// The settings can forbid running the shell.
	d.icon.Click(t, "Quit")
	d.program.Wait(t)
	d.configure(t, "login-shell: false\n")
	d.run(t)
	d.icon = d.Tray(t, "Fairlead")
	d.icon.WaitFor(t, "no context to be found", func(menu desktoptest.Node) bool {
		_, found := menu.Find(func(n desktoptest.Node) bool { return strings.HasPrefix(n.Label, "No contexts found") })
		return found
	})
}
