package api

import (
	"context"
	"sync"
	"time"
)

// The pauses between probes of an unreachable API server: the first, and the longest.
const (
	firstPause = 2 * time.Second
	maxPause   = 30 * time.Second
)

// Run applies changes of the files of the login and of the certificate authority, and probes the API server while it is
// unreachable or doubted, until ctx ends.
func (a *Client) Run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { a.awaitRecovery(ctx) })
	work.Go(func() { a.settleDoubts(ctx) })
	work.Go(func() { a.Login.follow(ctx) })
	work.Go(func() { a.Authority.follow(ctx, func(pem []byte) { a.renewAuthority(ctx, pem) }) })
	work.Wait()
}

// awaitRecovery probes the API server while it is unreachable, so that its recovery is reported without a dial.
func (a *Client) awaitRecovery(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.Health.lost:
		}
		for pause := firstPause; a.Health.IsUnreachable(); pause = min(2*pause, maxPause) {
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

// Doubt makes Run probe the API server, because it may not answer any more. It does not block.
func (a *Client) Doubt() { signal(a.doubted) }

// settleDoubts probes the API server after each call of Doubt: a silent session can also be its Pod's or its node's fault.
// So an unreachable API server is reported while the first connection still waits, or without any.
func (a *Client) settleDoubts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.doubted:
		}
		if !a.Health.IsUnreachable() {
			_ = a.Look(ctx) // it reports to Health
		}
	}
}

// Look probes the API server, and reports the outcome to Health. It closes idle connections first, since they may be dead.
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

// renewAuthority makes new connections trust another certificate authority. Open connections stay open.
func (a *Client) renewAuthority(ctx context.Context, pem []byte) {
	if err := a.Trust(pem); err != nil {
		a.log.Warn().Err(err).Str("file", a.Authority.file).Msg("certificate authority not applied")
		return
	}
	a.log.Info().Str("file", a.Authority.file).Msg("certificate authority changed")
	if a.Health.IsUnreachable() && a.Probe(ctx) == nil {
		a.Health.recovered()
	}
}
