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
			if c.api.look(ctx) == nil {
				c.health.recovered()
			}
		}
	}
}

// settleDoubts looks for the API server when the carrier doubts that it answers: a session may be silent for its Pod's sake
// or its node's. So a context is said to be ill while the first use still waits, or with no use at all.
func (c *Cluster) settleDoubts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.doubted:
		}
		if !c.health.is(unreachable) {
			_ = c.look(ctx) // health has it
		}
	}
}

// Look tells Health whether the API server can be reached now, for when something else tells that what was known may no
// longer hold: the machine woke up, or its network is another. It sends no credentials and runs no plugin. Connections
// that are kept for the next question are let go of, for they may lead nowhere.
func (c *Cluster) Look(ctx context.Context) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	c.resolver.watches.restart()
	return c.look(ctx)
}

func (c *Cluster) look(ctx context.Context) error {
	c.api.closeIdle()
	err := c.api.look(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		c.health.recovered()
	default:
		c.health.observe(err)
	}
	return err
}

// trust takes up another certificate authority. Connections that are open stay.
func (c *Cluster) trust(ctx context.Context, pem []byte) {
	if err := c.api.trust(pem); err != nil {
		c.log.Warn().Err(err).Str("file", c.authority.file).Msg("certificate authority not taken up")
		return
	}
	c.log.Info().Str("file", c.authority.file).Msg("certificate authority has changed")
	if c.health.is(unreachable) && c.api.look(ctx) == nil {
		c.health.recovered()
	}
}
