package portforward

import (
	"context"
	"slices"
	"time"

	"fairlead/kube/carrier"
)

const (
	// maxStandingCalls limits how many calls of Config.Standing run at a time.
	maxStandingCalls = 4
	// standingTimeout limits how long a call of Config.Standing may take.
	standingTimeout = 3 * time.Second
	// standingRefresh is how long a standing other than Gone is not requested again.
	standingRefresh = 5 * time.Second
)

// Withdraw takes a Pod out of use: its idle sessions end, and the others end with their connections. A Dial with it
// tries it last. A connection that a Pod has not answered ends soon after the Pod is Gone, or moves to another endpoint
// if no program can have seen a byte of it. For an Unlisted Pod Config.Standing is called. Withdraw does not block.
func (f *Forwarder) Withdraw(namespace, name, uid string, standing carrier.Standing) {
	now := time.Now()
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	if f.pool.ended {
		return
	}
	id := podID{namespace, name, uid}
	p := f.pool.pods[id]
	if p == nil {
		p = &pod{pool: f.pool, id: id, lastUsed: now}
		f.pool.pods[id] = p
	}
	p.withdrawn = true
	f.rollouts.markWithdrawn(id, now)
	for _, s := range slices.Clone(p.sessions) {
		s.retireLocked("the Pod was withdrawn")
	}
	switch {
	case standing == carrier.NotReady || standing == carrier.Ending:
		p.standing, p.unlisted = standing, time.Time{}
	case p.unlisted.IsZero():
		p.standing, p.unlisted, p.asked = standing, now, time.Time{}
		p.recheckConns()
	}
}

// Restore puts a Pod back into use that was withdrawn.
func (f *Forwarder) Restore(namespace, name, uid string) {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	if p := f.pool.pods[podID{namespace, name, uid}]; p != nil {
		p.withdrawn, p.standing, p.unlisted = false, carrier.NotReady, time.Time{}
	}
}

// unlistedSince returns since when ep's Pod has been in no Service, which is zero while it is in one, and whether the
// Pod is known to be gone. If it is not, its standing is requested, unless that was done a moment ago.
func (pl *pool) unlistedSince(ep Endpoint, now time.Time) (since time.Time, gone bool) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p := pl.pods[podOf(ep)]
	if p == nil || p.unlisted.IsZero() {
		return time.Time{}, false
	}
	if p.standing != carrier.Gone && now.Sub(p.asked) >= standingRefresh {
		p.askStanding(now)
	}
	return p.unlisted, p.standing == carrier.Gone
}

// mayHaveEnded reports whether ep's Pod is out of use, and is about to end, is gone, or may be. What is known of it may
// be older than its end, so its standing is requested.
func (pl *pool) mayHaveEnded(ctx context.Context, ep Endpoint) bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	for begun := time.Now(); ; {
		p := pl.pods[podOf(ep)]
		switch {
		case p == nil || !p.withdrawn:
			return false
		case p.standing == carrier.Ending || p.standing == carrier.Gone:
			return true
		}
		fresh := !p.asked.Before(begun)
		if !fresh {
			p.askStanding(time.Now())
		}
		if !p.isAsking() {
			return p.standing != carrier.NotReady
		}
		answered := p.answered
		pl.mu.Unlock()
		select {
		case <-answered:
		case <-ctx.Done():
		}
		pl.mu.Lock()
		if ctx.Err() != nil {
			return p.standing != carrier.NotReady
		}
	}
}

// isAsking reports whether a request for p's standing is running. mu is held.
func (p *pod) isAsking() bool {
	if p.answered == nil {
		return false
	}
	select {
	case <-p.answered:
		return false
	default:
		return true
	}
}

// askStanding requests p's standing, unless such a request is running. mu is held.
func (p *pod) askStanding(now time.Time) {
	if p.isAsking() {
		return
	}
	answered := make(chan struct{})
	if p.pool.spawn(func(ctx context.Context) {
		defer close(answered)
		p.updateStanding(ctx)
	}) {
		p.asked, p.answered = now, answered
	}
}

// updateStanding gets p's standing, and makes its connections check it.
func (p *pod) updateStanding(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, standingTimeout)
	defer cancel()
	select {
	case p.pool.standingSlots <- struct{}{}:
		defer func() { <-p.pool.standingSlots }()
	case <-ctx.Done():
		return
	}
	standing := p.pool.cfg.Standing(ctx, p.id.namespace, p.id.name, p.id.uid)
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	if !p.withdrawn || p.unlisted.IsZero() && standing == carrier.Unlisted {
		return // what its Services say of it is newer
	}
	p.standing = standing
	if standing == carrier.Gone {
		p.recheckConns()
	}
}

// recheckConns makes every connection with p check its health. mu is held.
func (p *pod) recheckConns() {
	for _, s := range p.sessions {
		s.recheckConns()
	}
}
