package portforward

import (
	"context"
	"slices"
	"time"
)

// A Standing is what is known of a Pod that is out of use.
type Standing int

const (
	// NotReady is a Pod that lives and gets no new connections.
	NotReady Standing = iota
	// Ending is a Pod that was told to end, and may be cut off before it has answered.
	Ending
	// Unlisted is a Pod that no Service leads to any more: it may be gone, or only have lost its labels.
	Unlisted
	// Gone is a Pod that is no more.
	Gone
)

const (
	// maxStandingCalls bounds how many Pods are asked about at a time.
	maxStandingCalls = 4
	// standingTimeout bounds how long an answer about a Pod is waited for.
	standingTimeout = 3 * time.Second
	// standingRefresh is how long an answer counts that did not say that the Pod is gone.
	standingRefresh = 5 * time.Second
)

// Withdraw takes a Pod out of use: its idle sessions end, and the others end with their connections. A Dial that names
// it all the same tries it last. A connection that a Pod has not answered ends soon once the Pod is Gone, or moves to another
// endpoint if no program can have seen a byte of it; Config.Standing is asked whether an Unlisted Pod is.
// Withdraw does not block.
func (f *Forwarder) Withdraw(namespace, name, uid string, standing Standing) {
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
	case standing == NotReady || standing == Ending:
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
		p.withdrawn, p.standing, p.unlisted = false, NotReady, time.Time{}
	}
}

// unlistedSince returns since when no Service leads to ep's Pod, which is zero while one does, and whether the Pod is known to be
// gone. If it is not, the Pod's standing is asked for, unless that was done a moment ago.
func (pl *pool) unlistedSince(ep Endpoint, now time.Time) (since time.Time, gone bool) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	p := pl.pods[ep.pod()]
	if p == nil || p.unlisted.IsZero() {
		return time.Time{}, false
	}
	if p.standing != Gone && now.Sub(p.asked) >= standingRefresh {
		p.askStanding(now)
	}
	return p.unlisted, p.standing == Gone
}

// mayHaveEnded reports whether ep's Pod, which is out of use, is about to end, is gone, or may be. What is known of it may be
// older than its end, so its standing is asked for.
func (pl *pool) mayHaveEnded(ctx context.Context, ep Endpoint) bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	for begun := time.Now(); ; {
		p := pl.pods[ep.pod()]
		switch {
		case p == nil || !p.withdrawn:
			return false
		case p.standing == Ending || p.standing == Gone:
			return true
		}
		fresh := !p.asked.Before(begun)
		if !fresh {
			p.askStanding(time.Now())
		}
		if !p.isAsking() {
			return p.standing != NotReady
		}
		answered := p.answered
		pl.mu.Unlock()
		select {
		case <-answered:
		case <-ctx.Done():
		}
		pl.mu.Lock()
		if ctx.Err() != nil {
			return p.standing != NotReady
		}
	}
}

// isAsking reports whether the answer about p's standing is yet to come. The forwarder's lock is held.
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

// askStanding finds out p's standing, unless that is under way. mu is held.
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

// updateStanding asks for p's standing, and has its connections look at the answer.
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
	if !p.withdrawn || p.unlisted.IsZero() && standing == Unlisted {
		return // Services know better
	}
	p.standing = standing
	if standing == Gone {
		p.recheckConns()
	}
}

// recheckConns has every connection with p look at its state. mu is held.
func (p *pod) recheckConns() {
	for _, s := range p.sessions {
		s.recheckConns()
	}
}
