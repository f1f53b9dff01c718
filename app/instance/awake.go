package instance

import (
	"context"
	"slices"
	"sync"

	"fairlead/app/session"
	"fairlead/app/wake"
)

// FollowWake checks the API servers of the contexts in use whenever the machine woke up or its network changed, until
// ctx ends. While no context is on, it watches nothing.
func (p *Instance) FollowWake(ctx context.Context, model *session.Manager) {
	var watching sync.WaitGroup
	defer watching.Wait()
	var cancel context.CancelFunc
	for snapshot := range model.Watch(ctx) {
		on := slices.ContainsFunc(snapshot.Contexts, func(s session.State) bool { return s.Phase.Listening() })
		switch {
		case on && cancel == nil:
			var watch context.Context
			watch, cancel = context.WithCancel(ctx)
			watching.Go(func() {
				wake.Watch(watch, func(cause wake.Cause) {
					p.Log.Info().Str("cause", string(cause)).Msg("checking the clusters in use")
					p.Gateways.Look(watch)
				})
			})
		case !on && cancel != nil:
			cancel()
			watching.Wait()
			cancel = nil
		}
	}
	if cancel != nil {
		cancel()
	}
}
