package menu

import (
	"slices"
	"testing"

	"fairlead/app/session"
)

// TestTroubleOffersTheFileThatCausedIt is about addresses to listen at, which are in the settings, and the rest, which is in
// the kubeconfig.
func TestTroubleOffersTheFileThatCausedIt(t *testing.T) {
	for trouble, want := range map[session.Trouble][]Action{
		session.PortTaken: {OpenSettings}, session.CannotListen: {OpenSettings},
		session.Unusable: {OpenKubeconfig}, session.LoginNeeded: {OpenKubeconfig}, session.Unreachable: nil,
	} {
		c := session.State{Name: "a", Phase: session.Failed, Wanted: true, Usable: true, File: "/k/config", Reason: "A sentence.", Trouble: trouble}
		items := Build(session.Snapshot{Version: 1, Contexts: []session.State{c}}, extras())
		row := items[slices.IndexFunc(items, func(i Item) bool { return i.ID == "row/a" })]
		var offered []Action
		for _, item := range row.Items {
			if a := item.Click.Action; a == OpenSettings || a == OpenKubeconfig {
				offered = append(offered, a)
			}
		}
		if !slices.Equal(offered, want) {
			t.Errorf("%s: %q is offered, want %q", trouble, offered, want)
		}
	}
}

// TestAContextOffersWhatCanWork while its cluster is not reached, and all of it while only connections fail.
func TestAContextOffersWhatCanWork(t *testing.T) {
	offers := func(phase session.Phase) (titles []string) {
		c := session.State{
			Name: "a", Phase: phase, Wanted: true, Usable: true, Outside: direct, Endpoints: session.ProxyAt("127.0.0.1:1080"),
			Reason: "A sentence.", Trouble: session.Unreachable,
		}
		items := Build(session.Snapshot{Version: 1, Contexts: []session.State{c}}, extras())
		for _, item := range items[slices.IndexFunc(items, func(i Item) bool { return i.ID == "row/a" })].Items {
			if !item.Separator && !item.Disabled {
				titles = append(titles, item.Title)
			}
		}
		return titles
	}
	want := []string{"Try again", "Diagnose…", "Copy this message", "Stop", "Copy socks5h://127.0.0.1:1080", "Options"}
	if got := offers(session.Unavailable); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	for _, title := range []string{"Open Chromium in this cluster", "Open terminal in this cluster", "Services", "More to copy"} {
		if got := offers(session.On); !slices.Contains(got, title) {
			t.Errorf("%q is not in %q", title, got)
		}
	}
}
