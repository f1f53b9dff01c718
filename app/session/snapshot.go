package session

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// A Phase is what a context is doing.
type Phase string

// The phases of a context; doc.go draws how they follow each other.
const (
	Off         Phase = "off"
	Starting    Phase = "starting"
	On          Phase = "on"          // it listens
	Unavailable Phase = "unavailable" // it listens, and the next connection will fail for the context's sake
	Stopping    Phase = "stopping"
	Failed      Phase = "failed" // it does not listen, though it was asked to
)

// Listening reports whether clients can connect in this phase.
func (p Phase) Listening() bool { return p == On || p == Unavailable }

// A Trouble is the kind of a Reason, for views that offer something to do about it.
type Trouble string

// The kinds of trouble that a view may treat apart; all else has none of them.
const (
	LoginNeeded  Trouble = "login"       // the credentials are missing, expired or refused
	PortTaken    Trouble = "port"        // another program listens on the port
	Unreachable  Trouble = "unreachable" // no way to the API server
	ChangeFailed Trouble = "change"      // it serves as before, and a change of its entry or settings could not be taken up
	Unusable     Trouble = "entry"       // its kubeconfig entry or its settings cannot be used
)

// A Reason is why a context is not as it should be. The zero Reason is none.
type Reason struct {
	Title   string // what it is called, in two to four words; may be empty
	Text    string // one plain sentence
	Hint    string // what to do about it, in one or two sentences; may be empty
	Trouble Trouble
	Login   string // for LoginNeeded: the command that logs in, to be pasted into a terminal; may be empty
}

// State is one context at one moment.
type State struct {
	Name    string  `json:"name"`
	Phase   Phase   `json:"phase"`
	Wanted  bool    `json:"wanted"`            // the wish, which outlives a failure and a restart
	Usable  bool    `json:"usable"`            // false if its entry cannot be used
	Title   string  `json:"title,omitempty"`   // what the reason is called, in two to four words; may be empty
	Reason  string  `json:"reason,omitempty"`  // one plain sentence for Unavailable, Failed, and what is not usable
	Hint    string  `json:"hint,omitempty"`    // what to do about it; may be empty
	Trouble Trouble `json:"trouble,omitempty"` // the kind of the reason
	Login   string  `json:"login,omitempty"`   // the command that logs in, when a login is needed and the command is known
	Address string  `json:"address,omitempty"` // host:port it listens on, or is to listen on; empty if not yet known
	Unknown bool    `json:"unknown,omitempty"` // whether its cluster is reached: not tried since its entry changed
	Warning string  `json:"warning,omitempty"` // plain sentences: who else may use the address, and where it leads; may be empty

	Cluster    string `json:"cluster,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	File       string `json:"file,omitempty"`       // where the context is written
	Outside    string `json:"outside,omitempty"`    // the route of hosts outside the cluster: "direct" or "refuse"
	Production bool   `json:"production,omitempty"` // switching it on wants a confirmation
	Password   bool   `json:"password,omitempty"`   // clients must give one
	TLS        bool   `json:"tls,omitempty"`        // clients must speak TLS, and show a certificate
	AnyUser    bool   `json:"anyUser,omitempty"`    // other users of this machine are not turned away

	Since time.Time `json:"since,omitzero"` // when it began to listen; zero while it does not
	OffAt time.Time `json:"offAt,omitzero"` // when it turns itself off; zero if it does not
	Used  time.Time `json:"used,omitzero"`  // when it was last switched on, in this run of the program or an earlier one
}

// Here is an address that a proxy listens on as programs of this machine dial it: all of a machine's are its loopback one, too. What
// is no address is left as it is.
func DialAddress(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsUnspecified() {
		return address
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
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
