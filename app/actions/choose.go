package actions

import (
	"context"
	"errors"

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
	var first string
	if len(choice.Contexts) > 0 {
		first = choice.Contexts[0]
	}
	switch choice.Action {
	case notify.OpenLog:
		return c.Act(ctx, menu.Click{Action: menu.OpenLog, Context: first})
	case notify.CopyURL:
		state, _ := c.model.Snapshot().Context(first)
		return c.Act(ctx, menu.Click{Action: menu.CopyURLOf(state), Context: first})
	case notify.CopyDetails:
		return c.copyDetails(ctx, choice)
	case notify.CopyLogin:
		return c.Act(ctx, menu.Click{Action: menu.CopyLogin, Context: first, Argument: choice.Text})
	case notify.LogIn:
		return c.Act(ctx, menu.Click{Action: menu.RunLogin, Context: first, Argument: choice.Text})
	case notify.Retry:
		var errs []error
		for _, name := range choice.Contexts {
			errs = append(errs, c.retry(ctx, name))
		}
		return errors.Join(errs...)
	}
	return nil
}

// retry tries a context again. A running one logs in again. A failed one is started again without a question, because its
// start was confirmed before. Notifications may be old: a context that has been switched off since then is switched on
// without Confirmed, which fails if it is a production one.
func (c *Actions) retry(ctx context.Context, name string) error {
	switch state, _ := c.model.Snapshot().Context(name); {
	case state.Phase.Listening():
		return c.Act(ctx, menu.Click{Action: menu.LogIn, Context: name})
	case state.Phase == session.Failed:
		return c.Act(ctx, menu.Click{Action: menu.Start, Context: name})
	}
	return c.model.Do(ctx, session.Set{Name: name, On: true})
}
