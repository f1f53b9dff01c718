package portforward

import (
	"sync"
	"time"
)

const (
	// provenFor is how long a target that answered is expected to answer again.
	provenFor = 5 * time.Minute
	// refusedFor is how long a refusal is repeated without another request.
	refusedFor = 1500 * time.Millisecond
	// avoidedFor is how long a Pod is tried last after it cut a connection that it had not answered.
	avoidedFor = 2 * time.Second
	maxTargets = 4096
)

// A targets remembers which ports of which Pods and Services answered recently, which refused, and which Pods cut
// connections. The zero value is empty.
type targets struct {
	mu       sync.Mutex
	answers  cache[proof, answer]
	refusals cache[proof, error]
	cuts     cache[podID, struct{}]
	slow     time.Duration // the longest time that a refusal recently came after its acceptance
}

// A proof is what an answer proves to be present: a port of a Service, through any of its Pods, or a port of one Pod.
type proof struct {
	pod     podID  // for a Service's port, only the namespace is set
	service string // the Service's port; empty for a port of one Pod
	port    int
}

// proofsOf returns what an answer of e proves: for its Service first, then for its Pod.
//
// Endpoints are passed by pointer here: the first byte of a connection is recorded on the stack of the goroutine that
// reads it, and would make that stack grow for the rest of the connection's life.
func proofsOf(e *Endpoint) []proof {
	if e.Service == "" {
		return []proof{podProof(e)}
	}
	return []proof{{pod: podID{namespace: e.Namespace}, service: e.Service}, podProof(e)}
}

// An answer is what is known of a target that sent something.
type answer struct {
	greeted bool // it sent something before its client did
}

// A cache is a bounded number of facts that hold for a time.
type cache[K comparable, V any] struct{ facts map[K]fact[V] }

type fact[V any] struct {
	value V
	until time.Time
}

// get returns the fact about key, if it still holds.
func (m *cache[K, V]) get(key K, now time.Time) (value V, ok bool) {
	f, ok := m.facts[key]
	if !ok || !now.Before(f.until) {
		return value, false
	}
	return f.value, true
}

// put records a fact about key for a time.
func (m *cache[K, V]) put(key K, value V, now time.Time, lasts time.Duration) {
	if m.facts == nil {
		m.facts = make(map[K]fact[V])
	}
	if len(m.facts) >= maxTargets {
		for old, f := range m.facts {
			if !now.Before(f.until) {
				delete(m.facts, old)
			}
		}
		if len(m.facts) >= maxTargets {
			clear(m.facts)
		}
	}
	m.facts[key] = fact[V]{value, now.Add(lasts)}
}

// firstWriteWait returns how long a connection with ep waits for the client's first bytes before it is requested
// without them: long if the target waits for the client, not at all if it speaks first.
func (t *targets) firstWriteWait(ep Endpoint, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch a, ok := t.answer(&ep, now); {
	case !ok:
		return 300 * time.Microsecond
	case a.greeted:
		return 0
	}
	return 5 * time.Millisecond
}

// proven reports whether ep is expected to answer: it, or another Pod of its Service's port, answered recently.
func (t *targets) proven(ep Endpoint, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.answer(&ep, now)
	return ok
}

// answer returns what is known of ep's Service or, without that, of its Pod. mu is held.
func (t *targets) answer(ep *Endpoint, now time.Time) (a answer, ok bool) {
	for _, p := range proofsOf(ep) {
		if a, ok = t.answers.get(p, now); ok {
			return a, true
		}
	}
	return a, false
}

// lastRefusal returns ep's last refusal if it is recent, else nil.
func (t *targets) lastRefusal(ep Endpoint, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err, _ := t.refusals.get(podProof(&ep), now)
	return err
}

// podProof returns the proof of e's Pod alone.
func podProof(e *Endpoint) proof { return proof{pod: podOf(*e), port: e.Port} }

// markAnswered records that ep sent something. asked reports whether the client had sent something before. It reports
// whether ep was not proven before.
func (t *targets) markAnswered(ep *Endpoint, asked bool, now time.Time) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.answer(ep, now)
	for _, p := range proofsOf(ep) {
		t.answers.put(p, answer{greeted: !asked}, now, provenFor)
	}
	delete(t.refusals.facts, podProof(ep))
	delete(t.cuts.facts, podOf(*ep))
	return !known
}

// markRefused records that ep refused a connection. Nothing is proven of that Pod's port any more.
func (t *targets) markRefused(ep Endpoint, err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusals.put(podProof(&ep), err, now, refusedFor)
	delete(t.answers.facts, podProof(&ep))
}

// forget removes all that is proven of ep's Service: every Pod that could be tried refused.
func (t *targets) forget(ep Endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range proofsOf(&ep) {
		delete(t.answers.facts, p)
	}
}

// markCut records that ep's Pod ended a connection without an answer.
func (t *targets) markCut(ep Endpoint, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cuts.put(podOf(ep), struct{}{}, now, avoidedFor)
}

// hasCut reports whether ep's Pod recently ended a connection without an answer.
func (t *targets) hasCut(ep Endpoint, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.cuts.get(podOf(ep), now)
	return ok
}

// maxGrace limits the grace.
const maxGrace = 300 * time.Millisecond

// observeLateRefusal records how long after its acceptance a refusal came.
func (t *targets) observeLateRefusal(by time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slow = max(by, t.slow-t.slow/8)
}

// grace returns how long to wait for a refusal: least, or longer if they came later than that recently.
func (t *targets) grace(least time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slow <= least {
		return least
	}
	return max(least, min(2*t.slow, maxGrace))
}

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
