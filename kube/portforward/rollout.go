package portforward

import (
	"sync"
	"time"
)

const (
	// rollingFor is how long after a Pod was withdrawn others of its age are taken to be next.
	rollingFor = 10 * time.Second
	// seenFor is how long it is remembered when a Pod was first named.
	seenFor = time.Hour
	// sameAge is the age by which the Pods of one version may differ.
	sameAge = time.Second
)

// rollouts remembers how old Pods are, as far as Dial was told of them. While the Pods of a Service are being replaced the
// younger ones come first: an older one may be the next to end, with what is asked of it then. Its zero value remembers
// nothing.
type rollouts struct {
	mu     sync.Mutex
	pods   cache[podID, generation]
	rolled cache[proof, time.Time] // by Service port: when the last Pod that was withdrawn was first named
}

// A generation is when a Pod was first named, and for which Service port.
type generation struct {
	service proof
	first   time.Time
}

// markNamed takes note of the Pods that may be dialled now.
func (r *rollouts) markNamed(endpoints []Endpoint, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ep := range endpoints {
		if ep.Service == "" {
			continue
		}
		g, ok := r.pods.get(ep.pod(), now)
		if !ok {
			g = generation{ep.proofs()[0], now}
		}
		r.pods.put(ep.pod(), g, now, seenFor)
	}
}

// markWithdrawn takes note that a Pod was withdrawn.
func (r *rollouts) markWithdrawn(id podID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g, ok := r.pods.get(id, now); ok {
		r.rolled.put(g.service, g.first, now, rollingFor)
	}
}

// isYounger reports whether ep's Pod is of those that replace others now. It is false when none are replaced.
func (r *rollouts) isYounger(ep Endpoint, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, ok := r.pods.get(ep.pod(), now)
	if !ok {
		return false
	}
	old, ok := r.rolled.get(g.service, now)
	return ok && g.first.After(old.Add(sameAge))
}
