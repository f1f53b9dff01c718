//go:build linux

package desktoptest

import (
	"strings"
	"testing"
)

const wholeMenu = `two names (disabled)
[ ] alpha_beta
---
more
    first
    second
quit
`

func TestMenuIsReadAndClickedWithoutDisplayAndPanel(t *testing.T) {
	d := Start(t, Options{NoDisplay: true})
	program := d.Run(t, trayProgram)
	item := d.Tray(t, "trayprogram")
	if got := item.Menu(t).String(); got != wholeMenu {
		t.Fatalf("the menu is\n%swant\n%s", got, wholeMenu)
	}
	if item.Shown() {
		t.Error("the icon is shown without a panel")
	}
	if got := item.Tooltip(t); got != "a tray program" {
		t.Errorf("the tooltip is %q", got)
	}

	item.Click(t, "alpha_beta")
	item.WaitFor(t, "the check mark and the hidden entry", func(menu Node) bool {
		toggle, _ := menu.At("alpha_beta")
		_, shown := menu.At("alpha_beta is on")
		return toggle.Checked && shown
	})
	item.Click(t, "more", "second")
	waitFor(t, "the program to say so", nil, func() bool { return program.Stdout() == "alpha_beta\nsecond\n" })

	item.Click(t, "quit")
	if code := program.Wait(t); code != 0 {
		t.Errorf("the program ended with %d", code)
	}
	item.WaitGone(t)
}

func TestFindLooksIntoSubmenus(t *testing.T) {
	menu := Node{Children: []Node{{Label: "a"}, {Label: "b", Children: []Node{{Label: "c", Enabled: true}}}}}
	found, ok := menu.Find(func(n Node) bool { return n.Enabled })
	if !ok || found.Label != "c" {
		t.Errorf("found %+v", found)
	}
	if _, ok := menu.Find(func(n Node) bool { return n.Label == "d" }); ok {
		t.Error("found an entry that does not exist")
	}
}

func TestUnderscoresAreReadAsTheyAreShown(t *testing.T) {
	for _, test := range []struct{ label, specification, gnome string }{
		{"_Quit", "Quit", "Quit"}, {"gke__my-proj__prod", "gke_my-proj_prod", "gke_my-proj__prod"}, {"____", "__", "____"},
		{"___x", "_x", "__x"}, {"plain", "plain", "plain"}, {"end_", "end", "end_"},
	} {
		if got := unescape(test.label, false); got != test.specification {
			t.Errorf("%q is read as %q, want %q", test.label, got, test.specification)
		}
		if got := unescape(test.label, true); got != test.gnome {
			t.Errorf("%q is read in GNOME as %q, want %q", test.label, got, test.gnome)
		}
	}
}

func TestHiddenEntriesHaveNoPlaceInTheMenu(t *testing.T) {
	menu := Node{Children: []Node{{Label: "a", Children: []Node{{Label: "b"}}}, {Label: "a", Visible: true, ID: 7}}}
	if found, ok := menu.At("a"); !ok || found.ID != 7 {
		t.Errorf("found %+v", found)
	}
	if got := menu.String(); strings.Count(got, "a") != 1+strings.Count("disabled", "a") {
		t.Errorf("drawn as %q", got)
	}
}
