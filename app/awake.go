package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"fairlead/app/session"
	"fairlead/app/wake"
)

// lookWithin bounds a look at an API server after a wake, so that what is shown is true soon.
const lookWithin = 3 * time.Second

// stayTrue looks at the API servers of the contexts in use again when the machine woke up or its network changed, until ctx ends.
// While no context is on, nothing is watched.
func (p *program) stayTrue(ctx context.Context, model *session.Manager) {
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
					p.log.Info().Str("cause", string(cause)).Msg("looking at the clusters in use again")
					p.wiring.running.look(watch)
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

// look asks for each proxy that was used since the last look whether its API server can be reached. What comes of it is told by the
// clusters' own Health.
func (r *proxies) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	var looking sync.WaitGroup
	for _, p := range r.inUse() {
		looking.Go(func() {
			if err := p.cluster().Look(ctx); err != nil {
				p.log.Debug().Err(err).Msg("API server not reached")
			}
		})
	}
	looking.Wait()
}

// inUse are the proxies with connections that are open, or that have come since it was last asked for.
func (r *proxies) inUse() []*contextProxy {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var used []*contextProxy
	for p := range r.addresses {
		t := p.server.Traffic()
		if t.Open > 0 || t.Total > p.looked {
			used = append(used, p)
		}
		p.looked = t.Total
	}
	return used
}
