package portforward

import (
	"sync"
	"time"
)

const (
	// rollingFor is how long after a Pod was withdrawn other Pods of its age are expected to be next.
	rollingFor = 10 * time.Second
	// seenFor is how long the first time that a Pod was named is remembered.
	seenFor = time.Hour
	// sameAge is how much the ages of Pods of one version may differ.
	sameAge = time.Second
)

// A rollouts records how old Pods are, by when Dial was first called with them. While the Pods of a Service are being
// replaced the younger ones come first: an older one may be the next to end, together with its connections. The zero
// value is empty.
type rollouts struct {
	mu     sync.Mutex
	pods   cache[podID, generation]
	rolled cache[proof, time.Time] // by Service port: when the last withdrawn Pod was first named
}

// A generation is when a Pod was first named, and for which Service port.
type generation struct {
	service proof
	first   time.Time
}

// markNamed records the Pods that may be dialled now.
func (r *rollouts) markNamed(endpoints []Endpoint, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ep := range endpoints {
		if ep.Service == "" {
			continue
		}
		g, ok := r.pods.get(podOf(ep), now)
		if !ok {
			g = generation{proofsOf(&ep)[0], now}
		}
		r.pods.put(podOf(ep), g, now, seenFor)
	}
}

// markWithdrawn records that a Pod was withdrawn.
func (r *rollouts) markWithdrawn(id podID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g, ok := r.pods.get(id, now); ok {
		r.rolled.put(g.service, g.first, now, rollingFor)
	}
}

// isYounger reports whether ep's Pod is one of those that are replacing others now.
func (r *rollouts) isYounger(ep Endpoint, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, ok := r.pods.get(podOf(ep), now)
	if !ok {
		return false
	}
	old, ok := r.rolled.get(g.service, now)
	return ok && g.first.After(old.Add(sameAge))
}
