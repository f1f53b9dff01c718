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

// TestALoginIsSaidOnce: the sentence shows the command if there is one, and else the row that copies it.
func TestALoginIsSaidOnce(t *testing.T) {
	c := session.State{Name: "a", Phase: session.Unavailable, Wanted: true, Usable: true, Trouble: session.LoginNeeded, Login: "tsh login", Reason: "A sentence."}
	titles := func(terminal bool) (titles []string) {
		x := extras()
		x.Terminal = terminal
		for _, item := range needs(c, viewOf(session.Snapshot{Version: 1, Contexts: []session.State{c}}, x)) {
			titles = append(titles, item.Title)
		}
		return titles
	}
	for _, want := range []struct {
		hint     string
		terminal bool
		titles   []string
	}{
		{"To log in, run “tsh login” in a terminal.", true, []string{"To log in, run “tsh login” in a terminal, as “Log in…” does.", "Log in…", "Copy login command"}},
		{"To log in, run “tsh login” in a terminal.", false, []string{"To log in, run “tsh login” in a terminal.", "Copy login command"}},
		{"Ask the administrator.", true, []string{"Ask the administrator.", "Log in…", "Copy “tsh login”"}},
	} {
		c.Hint = want.hint
		if got := titles(want.terminal)[1:]; !slices.Equal(got[:len(want.titles)], want.titles) {
			t.Errorf("%q\nwant %q", got, want.titles)
		}
	}
}
