package api

import (
	"context"
	"sync"
	"time"
)

// How often an API server that could not be reached is looked for.
const (
	firstLook  = 2 * time.Second
	seldomLook = 30 * time.Second
)

// Run follows the files of the login and of the certificate authority, and looks for the API server while it cannot be reached,
// until ctx ends.
func (a *Client) Run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { a.awaitRecovery(ctx) })
	work.Go(func() { a.settleDoubts(ctx) })
	work.Go(func() { a.Login.follow(ctx) })
	work.Go(func() { a.Authority.follow(ctx, func(pem []byte) { a.renewAuthority(ctx, pem) }) })
	work.Wait()
}

// awaitRecovery looks for the API server while it cannot be reached, without credentials, so that its recovery is reported
// without a dial.
func (a *Client) awaitRecovery(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.Health.away:
		}
		for pause := firstLook; a.Health.IsUnreachable(); pause = min(2*pause, seldomLook) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if a.Probe(ctx) == nil {
				a.Health.recovered()
			}
		}
	}
}

// Doubt has the API server looked for: it may not answer any more. It does not block.
func (a *Client) Doubt() { signal(a.doubted) }

// settleDoubts looks for the API server when there are doubts that it answers: a session may be silent for its Pod's sake
// or its node's. So a context is said to be ill while the first use still waits, or with no use at all.
func (a *Client) settleDoubts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.doubted:
		}
		if !a.Health.IsUnreachable() {
			_ = a.Look(ctx) // health has it
		}
	}
}

// Look reports to health whether the API server can be reached now. Connections that are kept may lead nowhere, and are closed.
func (a *Client) Look(ctx context.Context) error {
	a.CloseIdle()
	err := a.Probe(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		a.Health.recovered()
	default:
		a.Health.observe(err)
	}
	return err
}

// renewAuthority makes new connections trust another certificate authority. Open connections stay.
func (a *Client) renewAuthority(ctx context.Context, pem []byte) {
	if err := a.Trust(pem); err != nil {
		a.log.Warn().Err(err).Str("file", a.Authority.file).Msg("certificate authority not taken up")
		return
	}
	a.log.Info().Str("file", a.Authority.file).Msg("certificate authority has changed")
	if a.Health.IsUnreachable() && a.Probe(ctx) == nil {
		a.Health.recovered()
	}
}
