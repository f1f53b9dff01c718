package menu

import (
	"testing"

	"fairlead/app/session"
)

func TestTheIconIsTheSignWithAMarkForProduction(t *testing.T) {
	login := session.State{Phase: session.Unavailable, Trouble: session.LoginNeeded}
	for want, contexts := range map[string][]session.State{
		"off":                  {{Phase: session.Off}, {Phase: session.Off, Production: true}},
		"on":                   {{Phase: session.Off, Production: true}, {Phase: session.On}},
		"on-production":        {{Phase: session.On}, {Phase: session.On, Production: true}},
		"working-production":   {{Phase: session.Starting, Production: true}},
		"failed":               {{Phase: session.On}, {Phase: session.Unavailable}, {Phase: session.Stopping}},
		"attention":            {{Phase: session.Failed, Production: true}, login},
		"attention-production": {{Phase: session.On, Production: true}, login},
	} {
		if got := Icon(session.Snapshot{Version: 1, Contexts: contexts}); got != want {
			t.Errorf("Icon(%v) = %s, want %s", contexts, got, want)
		}
	}
}
