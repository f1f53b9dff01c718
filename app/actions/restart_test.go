package actions

import (
	"context"
	"errors"
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

// runModel returns a running model of contexts, which calls started when it starts one.
func runModel(t *testing.T, started func(name string), entries ...session.Entry) *session.Manager {
	t.Helper()
	model := session.New(session.Config{Start: func(_ context.Context, name string, _ bool, _ func(error)) (session.Proxy, error) {
		started(name)
		return idle{}, nil
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- model.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	if err := model.Do(ctx, session.SetContexts{Entries: entries}); err != nil {
		t.Fatal(err)
	}
	return model
}

func TestAClickOnRestartStopsAndStartsAContext(t *testing.T) {
	starts := make(chan string, 8)
	model := runModel(t, func(name string) { starts <- name }, session.Entry{Name: "demo"}, session.Entry{Name: "other"})
	ctx := t.Context()
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

// TestAClickOnARowThatIsOutOfDateStopsNothing is about rows that were drawn while their context was off.
func TestAClickOnARowThatIsOutOfDateStopsNothing(t *testing.T) {
	c := actionsWith(t, "")
	c.model = runModel(t, func(string) {}, session.Entry{Name: "demo"})
	ctx := t.Context()
	drawn := menu.Build(c.model.Snapshot(), menu.Extras{})
	row := drawn[slices.IndexFunc(drawn, func(i menu.Item) bool { return i.ID == "row/demo" })]
	if err := c.model.Do(ctx, session.Set{Name: "demo", On: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.Act(ctx, row.Click); err != nil {
		t.Fatal(err)
	}
	if demo, _ := c.model.Snapshot().Context("demo"); !demo.Wanted {
		t.Error("the click that starts a context has stopped one that was on")
	}
	for _, intent := range []session.Intent{session.Set{Name: "demo"}, session.SetContexts{Entries: []session.Entry{{Name: "demo", Production: true}}}} {
		if err := c.model.Do(ctx, intent); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Act(ctx, row.Click); !errors.Is(err, session.ErrUnconfirmed) {
		t.Errorf("what has become a production context is started without a question: %v", err)
	}
}
