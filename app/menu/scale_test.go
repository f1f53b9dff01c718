package menu_test

import (
	"fmt"
	"testing"

	"fairlead/app/menu"
	"fairlead/app/session"
	"fairlead/build/scaletest"
)

func TestViewsTakeInProportionToTheContexts(t *testing.T) {
	snapshot := func(n int) session.Snapshot {
		s := session.Snapshot{Version: 1}
		for i := range n {
			s.Contexts = append(s.Contexts, session.State{Name: scaletest.Name(i), Phase: session.Off, Usable: true, File: fmt.Sprintf("/home/me/.kube/%d", i%12)})
		}
		return s
	}
	for name, view := range map[string]func(session.Snapshot){
		"menu":       func(s session.Snapshot) { menu.Build(s, menu.Extras{}) },
		"short menu": func(s session.Snapshot) { menu.Build(s, menu.Extras{Lines: 30}) },
		"icon":       func(s session.Snapshot) { menu.Icon(s); menu.Tooltip(s, menu.Extras{}) },
	} {
		t.Run(name, func(t *testing.T) {
			scaletest.Linear(t, func(_ *testing.T, n int) func() { s := snapshot(n); return func() { view(s) } })
		})
	}
}
