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
