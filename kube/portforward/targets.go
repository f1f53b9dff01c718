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
	err     error // nil for a proof
	waited  bool  // the Pod said nothing before the client did
	greeted bool  // the Pod spoke first
	until   time.Time
}

// firstWrite is how long a connection with ep waits for the client's first bytes before it is asked for without them:
// long where the Pod says nothing before the client, not at all where it speaks first.
func (t *targets) firstWrite(ep Endpoint, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o := t.seen[ep]; {
	case now.After(o.until):
	case o.greeted:
		return 0
	case o.waited:
		return 5 * time.Millisecond
	}
	return 300 * time.Microsecond
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

// answered takes note that ep sent something; asked says that the client had sent something before.
func (t *targets) answered(ep Endpoint, asked bool, now time.Time) {
	t.note(ep, outcome{waited: asked, greeted: !asked, until: now.Add(provenFor)}, now)
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
