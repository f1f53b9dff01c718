package actions

import (
	"context"
	"errors"
	"testing"
	"time"

	"fairlead/app/notify"
	"fairlead/app/session"
)

// An old notification offers to try a context again that the user has switched off since.
func TestTryAgainOnAnOldNotificationIsNoConfirmation(t *testing.T) {
	c := actionsWith(t, "")
	broken := errors.New("it does not start")
	started := make(chan struct{}, 8)
	c.model = session.New(session.Config{Start: func(context.Context, string, bool, func(error)) (session.Proxy, error) {
		started <- struct{}{}
		return nil, broken
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.model.Run(ctx) }()
	defer func() { cancel(); <-done }()
	do := func(intent session.Intent) {
		t.Helper()
		if err := c.model.Do(ctx, intent); err != nil {
			t.Fatal(err)
		}
	}
	is := func(phase session.Phase) {
		t.Helper()
		within, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		for snapshot := range c.model.Watch(within) {
			if state, _ := snapshot.Context("live"); state.Phase == phase {
				return
			}
		}
		t.Fatalf("never %s", phase)
	}
	do(session.SetContexts{Entries: []session.Entry{{Name: "live", Production: true}}})
	retry := notify.Choice{Action: notify.Retry, Contexts: []string{"live"}}
	do(session.Set{Name: "live", On: true, Confirmed: true})
	<-started
	is(session.Failed)
	if err := c.handleChoice(ctx, retry); err != nil {
		t.Errorf("failed context: %v", err)
	}
	<-started
	is(session.Failed)
	do(session.Set{Name: "live"})
	is(session.Off)
	if err := c.handleChoice(ctx, retry); !errors.Is(err, session.ErrUnconfirmed) {
		t.Errorf("context switched off: %v", err)
	}
	is(session.Off)
}
