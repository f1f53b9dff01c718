package main

import (
	"os"
	"strings"
	"testing"

	"fairlead/build/desktoptest"
)

// Fairlead warns if it runs as root by sudo, and not if SUDO_USER is set for an ordinary user.
func TestSudoIsWarnedOf(t *testing.T) {
	const line = "fairlead: Fairlead runs as root, by sudo: "
	asRoot := os.Geteuid() == 0
	warned := func(stderr string) bool {
		return strings.Contains(stderr, line) && strings.Contains(stderr, "start it as anna.\n")
	}

	r := start(t, []string{"SUDO_USER=anna"}, "serve", "--kubeconfig", noCurrent, "demo")
	r.line(t)
	if got := r.stderr.String(); warned(got) != asRoot {
		t.Errorf("serve wrote: %s", got)
	}

	r = start(t, []string{"SUDO_USER=anna"}, "forward", "--kubeconfig", noCurrent, "demo", "echo:7", freeAddress(t))
	r.line(t)
	if got := r.stderr.String(); warned(got) != asRoot {
		t.Errorf("forward wrote: %s", got)
	}

	d := newDesktop(t, desktoptest.Options{}, "demo")
	d.Setenv("SUDO_USER", "anna")
	d.start(t, noCurrent, "demo")
	if got := d.program.Stderr(); warned(got) != asRoot {
		t.Errorf("the tray wrote: %s", got)
	}
	title := "Fairlead"
	if asRoot {
		title = "Fairlead runs as root"
	}
	about := d.icon.WaitAt(t, title)
	_, said := about.Find(func(n desktoptest.Node) bool { return strings.HasPrefix(n.Label, "Fairlead runs as root, by sudo") })
	if said != asRoot {
		t.Errorf("the menu says:\n%s", about)
	}
}
