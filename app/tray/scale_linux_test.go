package tray

import (
	"fmt"
	"testing"

	"fairlead/app/menu"
	"fairlead/app/session"
	"fairlead/build/scaletest"
)

func TestTheTreeTakesInProportionToTheContexts(t *testing.T) {
	scaletest.Linear(t, func(t *testing.T, n int) func() {
		s := session.Snapshot{Version: 1}
		for i := range n {
			s.Contexts = append(s.Contexts, session.State{Name: scaletest.Name(i), Phase: session.Off, Usable: true, File: fmt.Sprintf("/home/me/.kube/%d", i%12)})
		}
		one, other := menu.Build(s, menu.Extras{}), []menu.Item(nil)
		s.Contexts = append([]session.State(nil), s.Contexts...)
		s.Contexts[0].Phase, s.Contexts[0].Endpoints = session.On, session.ProxyAt("127.0.0.1:1080")
		for i := range n / 2 {
			s.Contexts[i*2+1].Usable, s.Contexts[i*2+1].Reason = false, "It has no server."
		}
		other = menu.Build(s, menu.Extras{})
		tree := newTestTree()
		return func() {
			tree.show(one)
			tree.show(other)
			if _, err := tree.layout(0, -1); err != nil {
				t.Fatal(err)
			}
			tree.group(nil, nil)
		}
	})
}
