package kube

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

// run follows the files of the login and of the certificate authority, and looks for the API server while it cannot be reached,
// until ctx ends.
func (a *api) run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { a.awaitRecovery(ctx) })
	work.Go(func() { a.settleDoubts(ctx) })
	work.Go(func() { a.login.follow(ctx) })
	work.Go(func() { a.authority.follow(ctx, func(pem []byte) { a.renewAuthority(ctx, pem) }) })
	work.Wait()
}

// awaitRecovery looks for the API server while it cannot be reached, without credentials, so that its recovery is reported
// without a dial.
func (a *api) awaitRecovery(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.health.away:
		}
		for pause := firstLook; a.health.is(unreachable); pause = min(2*pause, seldomLook) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if a.probe(ctx) == nil {
				a.health.recovered()
			}
		}
	}
}

// doubt has the API server looked for: it may not answer any more. It does not block.
func (a *api) doubt() { signal(a.doubted) }

// settleDoubts looks for the API server when there are doubts that it answers: a session may be silent for its Pod's sake
// or its node's. So a context is said to be ill while the first use still waits, or with no use at all.
func (a *api) settleDoubts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.doubted:
		}
		if !a.health.is(unreachable) {
			_ = a.look(ctx) // health has it
		}
	}
}

// look reports to health whether the API server can be reached now. Connections that are kept may lead nowhere, and are closed.
func (a *api) look(ctx context.Context) error {
	a.closeIdle()
	err := a.probe(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		a.health.recovered()
	default:
		a.health.observe(err)
	}
	return err
}

// renewAuthority makes new connections trust another certificate authority. Open connections stay.
func (a *api) renewAuthority(ctx context.Context, pem []byte) {
	if err := a.trust(pem); err != nil {
		a.log.Warn().Err(err).Str("file", a.authority.file).Msg("certificate authority not taken up")
		return
	}
	a.log.Info().Str("file", a.authority.file).Msg("certificate authority has changed")
	if a.health.is(unreachable) && a.probe(ctx) == nil {
		a.health.recovered()
	}
}
