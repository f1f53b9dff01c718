package kube

import (
	"context"
	"time"
)

// How often an API server that could not be reached is looked for.
const (
	firstLook  = 2 * time.Second
	seldomLook = 30 * time.Second
)

// awaitRecovery looks for the API server while it cannot be reached, without credentials, so that its coming back is told
// even when nobody dials.
func (c *Cluster) awaitRecovery(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.health.away:
		}
		for pause := firstLook; c.health.is(unreachable); pause = min(2*pause, seldomLook) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if c.api.reachable(ctx) {
				c.health.recovered()
			}
		}
	}
}
