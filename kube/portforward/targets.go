package portforward

import (
	"sync"
	"time"
)

const (
	// provenFor is how long a target that answered is taken to answer again.
	provenFor = 5 * time.Minute
	// refusedFor is how long a refusal is told without asking again.
	refusedFor = 1500 * time.Millisecond
	maxTargets = 4096
)

// targets remembers which ports of which Pods answered lately, and which refused.
type targets struct {
	mu   sync.Mutex
	seen map[Endpoint]outcome
	slow time.Duration // the longest a refusal lately came after its acceptance
}

type outcome struct {
	err   error // nil for a proof
	until time.Time
}

func (t *targets) proven(ep Endpoint, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, ok := t.seen[ep]
	return ok && o.err == nil && now.Before(o.until)
}

func (t *targets) refusal(ep Endpoint, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o, ok := t.seen[ep]; ok && now.Before(o.until) {
		return o.err
	}
	return nil
}

func (t *targets) answered(ep Endpoint, now time.Time) {
	t.note(ep, outcome{until: now.Add(provenFor)}, now)
}

func (t *targets) refused(ep Endpoint, err error, now time.Time) {
	t.note(ep, outcome{err: err, until: now.Add(refusedFor)}, now)
}

func (t *targets) note(ep Endpoint, o outcome, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = make(map[Endpoint]outcome)
	}
	if len(t.seen) >= maxTargets {
		for old, o := range t.seen {
			if !now.Before(o.until) {
				delete(t.seen, old)
			}
		}
		if len(t.seen) >= maxTargets {
			clear(t.seen)
		}
	}
	t.seen[ep] = o
}

const maxGrace = 300 * time.Millisecond

// late takes note that a refusal came so long after the acceptance.
func (t *targets) late(by time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slow = max(by, t.slow-t.slow/8)
}

// grace is how long to wait for a refusal, of which least is the least.
func (t *targets) grace(least time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return min(max(least, 3*t.slow), max(least, maxGrace))
}
