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
	// maxAsking bounds how many Pods are asked about at a time.
	maxAsking = 4
	// answerWithin bounds how long an answer about a Pod is waited for.
	answerWithin = 3 * time.Second
	// askAgain is how long an answer counts that did not say that the Pod is gone.
	askAgain = 5 * time.Second
)

// Withdraw takes a Pod out of use: its idle sessions end, and the others end with their connections. A Dial that names
// it all the same tries it last. A connection that a Pod has not answered ends soon once the Pod is Gone, or moves to another
// endpoint if no program can have seen a byte of it; Config.Standing is asked whether an Unlisted Pod is.
// Withdraw does not block.
func (f *Forwarder) Withdraw(namespace, name, uid string, standing Standing) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	id := podID{namespace, name, uid}
	p := f.pods[id]
	if p == nil {
		p = &pod{id: id, used: now}
		f.pods[id] = p
	}
	p.withdrawn = true
	f.rollouts.withdrawn(id, now)
	for _, s := range slices.Clone(p.sessions) {
		f.retire(s, "the Pod was withdrawn")
	}
	switch {
	case standing == NotReady || standing == Ending:
		p.standing, p.unlisted = standing, time.Time{}
	case p.unlisted.IsZero():
		p.standing, p.unlisted, p.asked = standing, now, time.Time{}
		f.lookAtPod(p)
	}
}

// Restore puts a Pod back into use that was withdrawn.
func (f *Forwarder) Restore(namespace, name, uid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pods[podID{namespace, name, uid}]; p != nil {
		p.withdrawn, p.standing, p.unlisted = false, NotReady, time.Time{}
	}
}

// withdrawn reports whether ep's Pod is out of use.
func (f *Forwarder) withdrawn(ep Endpoint) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pods[ep.pod()]
	return p != nil && p.withdrawn
}

// unlisted returns since when no Service leads to ep's Pod, which is zero while one does, and whether the Pod is known to be
// gone. If it is not, the Pod's standing is asked for, unless that was done a moment ago.
func (f *Forwarder) unlisted(ep Endpoint, now time.Time) (since time.Time, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pods[ep.pod()]
	if p == nil || p.unlisted.IsZero() {
		return time.Time{}, false
	}
	if p.standing != Gone && now.Sub(p.asked) >= askAgain {
		f.ask(p, now)
	}
	return p.unlisted, p.standing == Gone
}

// mayHaveEnded reports whether ep's Pod, which is out of use, is about to end, is gone, or may be. What is known of it may be
// older than its end, so its standing is asked for.
func (f *Forwarder) mayHaveEnded(ctx context.Context, ep Endpoint) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for begun := time.Now(); ; {
		p := f.pods[ep.pod()]
		switch {
		case p == nil || !p.withdrawn:
			return false
		case p.standing == Ending || p.standing == Gone:
			return true
		}
		fresh := !p.asked.Before(begun)
		if !fresh {
			f.ask(p, time.Now())
		}
		if !p.isAsked() {
			return p.standing != NotReady
		}
		answered := p.answered
		f.mu.Unlock()
		select {
		case <-answered:
		case <-ctx.Done():
		}
		f.mu.Lock()
		if ctx.Err() != nil {
			return p.standing != NotReady
		}
	}
}

// isAsked reports whether the answer about p's standing is yet to come. The forwarder's lock is held.
func (p *pod) isAsked() bool {
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

// ask finds out p's standing, unless that is under way. mu is held.
func (f *Forwarder) ask(p *pod, now time.Time) {
	if p.isAsked() {
		return
	}
	answered := make(chan struct{})
	if f.spawn(func(ctx context.Context) {
		defer close(answered)
		f.findOut(ctx, p)
	}) {
		p.asked, p.answered = now, answered
	}
}

// findOut asks for p's standing, and has its connections look at the answer.
func (f *Forwarder) findOut(ctx context.Context, p *pod) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	select {
	case f.asking <- struct{}{}:
		defer func() { <-f.asking }()
	case <-ctx.Done():
		return
	}
	standing := f.cfg.Standing(ctx, p.id.namespace, p.id.name, p.id.uid)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !p.withdrawn || p.unlisted.IsZero() && standing == Unlisted {
		return // Services know better
	}
	p.standing = standing
	if standing == Gone {
		f.lookAtPod(p)
	}
}

// lookAtPod has every connection with p look at its state. mu is held.
func (f *Forwarder) lookAtPod(p *pod) {
	for _, s := range p.sessions {
		f.lookAt(s)
	}
}
