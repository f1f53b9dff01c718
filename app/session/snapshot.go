package session

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// A Phase is what a context is doing now.
type Phase string

// The phases of a context. The package comment shows how they follow each other.
const (
	Off         Phase = "off"
	Starting    Phase = "starting"
	On          Phase = "on"          // it listens
	Unavailable Phase = "unavailable" // it listens, but the cluster cannot be reached
	Stopping    Phase = "stopping"
	Failed      Phase = "failed" // it does not listen, though it should
)

// Listening reports whether clients can connect in this phase.
func (p Phase) Listening() bool { return p == On || p == Unavailable }

// A Trouble is the kind of a Reason, for views that offer a remedy.
type Trouble string

// The kinds of trouble that views may treat specially. Other reasons have none.
const (
	LoginNeeded  Trouble = "login"       // the credentials are missing, expired or refused
	PortTaken    Trouble = "port"        // another program listens on the port
	Unreachable  Trouble = "unreachable" // no way to the API server
	ChangeFailed Trouble = "change"      // a change of its entry or settings could not be applied; it serves as before
	Unusable     Trouble = "entry"       // its kubeconfig entry or its settings cannot be used
)

// A Reason is why a context is not as it should be. The zero Reason means that there is none.
type Reason struct {
	Title   string // a title of two to four words; may be empty
	Text    string // one plain sentence
	Hint    string // what to do about it, in one or two sentences; may be empty
	Trouble Trouble
	Login   string // for LoginNeeded, a command for a terminal that logs in; may be empty
}

// State is one context at one moment.
type State struct {
	Name    string  `json:"name"`
	Phase   Phase   `json:"phase"`
	Wanted  bool    `json:"wanted"`            // whether it should be on; kept across failures and restarts
	Usable  bool    `json:"usable"`            // false if its entry cannot be used
	Title   string  `json:"title,omitempty"`   // the reason's title, of two to four words; may be empty
	Reason  string  `json:"reason,omitempty"`  // one plain sentence for Unavailable, Failed, and what is not usable
	Hint    string  `json:"hint,omitempty"`    // what to do about it; may be empty
	Trouble Trouble `json:"trouble,omitempty"` // the kind of the reason
	Login   string  `json:"login,omitempty"`   // the command that logs in, if a login is needed and the command is known
	Address string  `json:"address,omitempty"` // host:port it listens on, or will; empty if not yet known
	Unknown bool    `json:"unknown,omitempty"` // its cluster has not been tried since the entry changed
	Warning string  `json:"warning,omitempty"` // who else may use it, and where it leads, in plain sentences; may be empty

	Cluster    string `json:"cluster,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	File       string `json:"file,omitempty"`       // the kubeconfig file it is in
	Outside    string `json:"outside,omitempty"`    // the route of hosts outside the cluster: "direct" or "refuse"
	Production bool   `json:"production,omitempty"` // switching it on needs a confirmation
	Password   bool   `json:"password,omitempty"`   // clients need one
	TLS        bool   `json:"tls,omitempty"`        // clients must use TLS, with a certificate
	AnyUser    bool   `json:"anyUser,omitempty"`    // other users of this machine may connect

	Since time.Time `json:"since,omitzero"` // when it began to listen; zero while it does not
	OffAt time.Time `json:"offAt,omitzero"` // when it turns itself off; zero if never
	Used  time.Time `json:"used,omitzero"`  // when it was last switched on, in this run of the program or an earlier one
}

// DialAddress returns the address at which programs of this machine dial a listener: for one on all addresses, the
// loopback one. It returns anything else unchanged.
func DialAddress(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsUnspecified() {
		return address
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}

// Snapshot is the whole state at one moment. It is shared and must not be modified.
type Snapshot struct {
	Version  uint64   `json:"version"`            // grows with each change; 0 before the contexts are known
	Contexts []State  `json:"contexts"`           // in the kubeconfig's order
	Problems []string `json:"problems,omitempty"` // what is wrong with the kubeconfig, one sentence each
	Sources  []string `json:"sources,omitempty"`  // the files that were searched for contexts
}

func (s Snapshot) equal(other Snapshot) bool {
	return slices.Equal(s.Contexts, other.Contexts) &&
		slices.Equal(s.Problems, other.Problems) &&
		slices.Equal(s.Sources, other.Sources)
}

// Snapshot returns the latest state, also before Run and after it.
func (m *Manager) Snapshot() Snapshot {
	snapshot, _ := m.latest()
	return snapshot
}

// Watch yields the latest state at once and then after each change, until ctx is cancelled or Run has returned. A slow
// reader misses states in between, but never the last one.
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

// publish makes the state visible if it differs from the last snapshot.
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
