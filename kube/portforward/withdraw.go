package portforward

import (
	"slices"
	"time"
)

// Withdraw takes a Pod out of use: its idle sessions end, and the others end with their connections. A Dial that names
// it all the same is tried last. gone reports that the Pod is no more, or that nothing leads to it any more: then a
// connection that it has not answered ends soon, or moves to another endpoint if no program can have seen a byte of it.
// Withdraw does not block.
func (f *Forwarder) Withdraw(namespace, name, uid string, gone bool) {
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
	if !gone || !p.gone.IsZero() {
		return
	}
	p.gone = now
	for _, s := range p.sessions {
		f.lookAt(s)
	}
}

// Restore puts a Pod back into use that was withdrawn.
func (f *Forwarder) Restore(namespace, name, uid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pods[podID{namespace, name, uid}]; p != nil {
		p.withdrawn, p.gone = false, time.Time{}
	}
}

// withdrawn reports whether ep's Pod is out of use, and since when it is gone, which is zero while it is not.
func (f *Forwarder) withdrawn(ep Endpoint) (withdrawn bool, gone time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pods[ep.pod()]; p != nil {
		return p.withdrawn, p.gone
	}
	return false, time.Time{}
}
