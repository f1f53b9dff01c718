package actions

import (
	"context"

	"fairlead/app/menu"
	"fairlead/app/notify"
	"fairlead/app/session"
)

// Choose carries out the actions that the user chooses in notifications, until ctx ends.
func (c *Actions) Choose(ctx context.Context, choices <-chan notify.Choice) {
	for {
		select {
		case <-ctx.Done():
			return
		case choice := <-choices:
			if err := c.handleChoice(ctx, choice); err != nil && ctx.Err() == nil {
				c.notifier.Say("Not done", err.Error())
			}
		}
	}
}

func (c *Actions) handleChoice(ctx context.Context, choice notify.Choice) error {
	switch choice.Action {
	case notify.OpenLog:
		return c.Act(ctx, menu.Click{Action: menu.OpenLog, Context: choice.Context})
	case notify.CopyDetails, notify.CopyLogin:
		return c.Act(ctx, menu.Click{Action: menu.CopyLogin, Context: choice.Context, Argument: choice.Text})
	case notify.Retry:
		// A running context logs in again. A failed one is started again without a question, because its start was
		// confirmed before. Notifications may be old: a context that has been switched off since then is switched on
		// without Confirmed, which fails if it is a production one.
		switch state, _ := c.model.Snapshot().Context(choice.Context); {
		case state.Phase.Listening():
			return c.Act(ctx, menu.Click{Action: menu.LogIn, Context: choice.Context})
		case state.Phase == session.Failed:
			return c.Act(ctx, menu.Click{Action: menu.Start, Context: choice.Context})
		}
		return c.model.Do(ctx, session.Set{Name: choice.Context, On: true})
	}
	return nil
}
