package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"fairlead/app/menu"
	"fairlead/app/session"
	"fairlead/build/scaletest"
	"fairlead/kube"
)

// What happens after each change of the kubeconfig or the settings, for all contexts.
func TestTellingTheModelTakesInProportionToTheContexts(t *testing.T) {
	scaletest.Linear(t, func(t *testing.T, n int) func() {
		k := kube.Load(scaletest.File(t, n))
		c := clerkWith(t, "contexts:\n  'team1-*': {namespace: one}\n  '*-region3-*': {outside: refuse}\n  team2-region2-ctx-2: {auto-off: 8h}\n")
		p := c.program
		p.log = zerolog.Nop()
		p.learn(k, p.log)
		model := p.manager(session.Config{})
		go func() { _ = model.Run(t.Context()) }()
		change := 0
		return func() {
			change++
			changed := k
			changed.Problems = []kube.Problem{{File: "f", Err: fmt.Errorf("change %d", change)}}
			p.kubeconfig.Store(&changed)
			if err := p.tell(t.Context(), model); err != nil {
				t.Fatal(err)
			}
			if s := model.Snapshot(); len(s.Contexts) != n || len(s.Problems) != 1 {
				t.Fatalf("%d contexts, problems %v", len(s.Contexts), s.Problems)
			}
			p.listenerFiles()
		}
	})
}

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
		"status":     func(s session.Snapshot) { _, _ = json.Marshal(s) },
	} {
		t.Run(name, func(t *testing.T) {
			scaletest.Linear(t, func(_ *testing.T, n int) func() { s := snapshot(n); return func() { view(s) } })
		})
	}
}
