package actions

import (
	"context"
	"slices"
	"testing"
	"time"

	"fairlead/app/menu"
	"fairlead/app/session"
)

// idle is a proxy that has no clients.
type idle struct{}

func (idle) Serve(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (idle) Endpoints() session.Endpoints { return session.ProxyAt("127.0.0.1:1080") }

func TestAClickOnRestartStopsAndStartsAContext(t *testing.T) {
	starts := make(chan string, 8)
	model := session.New(session.Config{Start: func(_ context.Context, name string, _ bool, _ func(error)) (session.Proxy, error) {
		starts <- name
		return idle{}, nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- model.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if err := model.Do(ctx, session.SetContexts{Entries: []session.Entry{{Name: "demo"}, {Name: "other"}}}); err != nil {
		t.Fatal(err)
	}
	c := actionsWith(t, "")
	c.model = model
	started := func() {
		t.Helper()
		select {
		case name := <-starts:
			if name != "demo" {
				t.Fatalf("%s was started", name)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("it was not started")
		}
	}
	on := func() {
		t.Helper()
		for s := range model.Watch(ctx) {
			if slices.ContainsFunc(s.Contexts, func(c session.State) bool { return c.Name == "demo" && c.Sign() == session.SignOn }) {
				return
			}
		}
	}
	for _, click := range []menu.Click{{Action: menu.Start, Context: "demo"}, {Action: menu.Restart, Context: "demo"}} {
		if err := c.Act(ctx, click); err != nil {
			t.Fatal(err)
		}
		started()
		on()
	}
	if err := c.Act(ctx, menu.Click{Action: menu.Restart, Context: "other"}); err == nil {
		t.Error("what is off was restarted")
	}
}
