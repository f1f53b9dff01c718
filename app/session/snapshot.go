package session

import (
	"context"
	"iter"
	"slices"
)

// A Phase is what a context is doing.
type Phase string

// The phases of a context; doc.go draws how they follow each other.
const (
	Off      Phase = "off"
	Starting Phase = "starting"
	On       Phase = "on"       // it listens
	Degraded Phase = "degraded" // it listens, and its cluster could not be reached when last tried
	Stopping Phase = "stopping"
	Failed   Phase = "failed" // it does not listen, though it was asked to
)

// Listening reports whether clients can connect in this phase.
func (p Phase) Listening() bool { return p == On || p == Degraded }

// State is one context at one moment.
type State struct {
	Name      string `json:"name"`
	Phase     Phase  `json:"phase"`
	Wanted    bool   `json:"wanted"`            // the wish, which outlives a failure and a restart
	Usable    bool   `json:"usable"`            // false if its kubeconfig entry cannot be used
	Reason    string `json:"reason,omitempty"`  // one plain sentence for Degraded, Failed, and what is not usable
	Address   string `json:"address,omitempty"` // host:port it listens on, or is to listen on; empty if not yet known
	Cluster   string `json:"cluster,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// Snapshot is all state at one moment. It is shared and must not be changed.
type Snapshot struct {
	Version  uint64   `json:"version"`            // grows with each change; 0 before the contexts are known
	Contexts []State  `json:"contexts"`           // in the kubeconfig's order
	Problems []string `json:"problems,omitempty"` // what is wrong with the kubeconfig, one sentence each
	Sources  []string `json:"sources,omitempty"`  // the files the contexts were looked for in
}

func (s Snapshot) equal(other Snapshot) bool {
	return slices.Equal(s.Contexts, other.Contexts) &&
		slices.Equal(s.Problems, other.Problems) &&
		slices.Equal(s.Sources, other.Sources)
}

// Snapshot returns the latest state. Before Run and after it there is one, too.
func (m *Manager) Snapshot() Snapshot {
	snapshot, _ := m.latest()
	return snapshot
}

// Watch yields the latest state at once and then after each change, until ctx is cancelled or Run has returned. A reader that is
// slower than the changes misses those in between, never the last one.
func (m *Manager) Watch(ctx context.Context) iter.Seq[Snapshot] {
	return func(yield func(Snapshot) bool) {
		for seen, first := uint64(0), true; ctx.Err() == nil; first = false {
			snapshot, changed := m.latest()
			if first || snapshot.Version != seen {
				seen = snapshot.Version
				if !yield(snapshot) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-m.done:
				if last, _ := m.latest(); last.Version == seen {
					return
				}
			}
		}
	}
}

// latest returns the last published snapshot and a channel that is closed when there is a newer one.
func (m *Manager) latest() (Snapshot, <-chan struct{}) {
	m.published.Lock()
	defer m.published.Unlock()
	return m.snapshot, m.changed
}

// publish makes the owned state visible if it differs from what was visible before.
func (m *Manager) publish() {
	next := Snapshot{Contexts: make([]State, 0, len(m.sessions)), Problems: m.problems, Sources: m.sources}
	for _, s := range m.sessions {
		next.Contexts = append(next.Contexts, s.state())
	}
	m.published.Lock()
	defer m.published.Unlock()
	if m.snapshot.equal(next) && (m.snapshot.Version > 0 || !m.known) {
		return
	}
	next.Version = m.snapshot.Version + 1
	m.snapshot = next
	close(m.changed)
	m.changed = make(chan struct{})
}
