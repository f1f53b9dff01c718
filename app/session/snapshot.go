package session

import (
	"context"
	"iter"
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
	CannotListen Trouble = "listen"      // the address to listen at cannot be used, for another reason than PortTaken
	Unreachable  Trouble = "unreachable" // no way to the API server
	ChangeFailed Trouble = "change"      // a change of its entry or settings could not be applied; it serves as before
	Unusable     Trouble = "entry"       // its kubeconfig entry, its settings or a file of theirs cannot be used
)

// A Reason is why a context is not as it should be. The zero Reason means that there is none.
type Reason struct {
	Title   string // a title of two to four words; may be empty
	Text    string // one plain sentence
	Hint    string // what to do about it, in one or two sentences; may be empty
	Trouble Trouble
	Login   string // for LoginNeeded, a command for a terminal that logs in; may be empty
}

// State is one context at one moment. It is shared and must not be modified.
type State struct {
	Name      string
	Phase     Phase
	Wanted    bool      // whether it should be on; kept across failures and restarts
	Usable    bool      // false if its entry cannot be used
	Title     string    // the reason's title, of two to four words; may be empty
	Reason    string    // one plain sentence for Unavailable, Failed, and what is not usable
	Hint      string    // what to do about it; may be empty
	Trouble   Trouble   // the kind of the reason
	Login     string    // the command that logs in, if a login is needed and the command is known
	Endpoints Endpoints // where it listens, or will; empty if not yet known
	Unknown   bool      // its cluster has not been tried since the entry changed
	Warning   string    // who else may use it, and where it leads, in plain sentences; may be empty

	Cluster    string
	User       string // the kubeconfig's name for it
	Namespace  string
	File       string // the kubeconfig file it is in
	Outside    string // the route of hosts outside the cluster: "direct", "refuse", or an upstream's name
	Current    bool   // it is the kubeconfig's current context
	Production bool   // switching it on needs a confirmation
	Password   bool   // clients need one
	TLS        bool   // clients must use TLS, with a certificate
	AnyUser    bool   // other users of this machine may connect

	Reached   bool      // its cluster has answered in this run of its proxy
	Requested time.Time // when the user last switched it on, in this run of the program; zero if that was in an earlier one

	Since time.Time // when it began to listen; zero while it does not
	OffAt time.Time // when it turns itself off; zero if never
	Used  time.Time // when it was last switched on, in this run of the program or an earlier one
}

// equal reports whether a and b are the same in every field.
func (a State) equal(b State) bool {
	return a.Name == b.Name && a.Phase == b.Phase && a.Wanted == b.Wanted && a.Usable == b.Usable &&
		a.Title == b.Title && a.Reason == b.Reason && a.Hint == b.Hint && a.Trouble == b.Trouble && a.Login == b.Login &&
		slices.Equal(a.Endpoints, b.Endpoints) && a.Unknown == b.Unknown && a.Warning == b.Warning &&
		a.Cluster == b.Cluster && a.User == b.User && a.Namespace == b.Namespace && a.File == b.File && a.Outside == b.Outside &&
		a.Current == b.Current && a.Production == b.Production && a.Password == b.Password && a.TLS == b.TLS && a.AnyUser == b.AnyUser &&
		a.Reached == b.Reached && a.Requested.Equal(b.Requested) &&
		a.Since.Equal(b.Since) && a.OffAt.Equal(b.OffAt) && a.Used.Equal(b.Used)
}

// Snapshot is the whole state at one moment. It is shared and must not be modified.
type Snapshot struct {
	Version          uint64   // grows with each change, so two snapshots of a Manager are the same if it is; 0 before the contexts are known
	Contexts         []State  // in the kubeconfig's order
	Problems         []string // what is wrong with the kubeconfig, one sentence each
	SettingsProblems []string // and with the settings
	Sources          []string // the files that were searched for contexts
}

// equal reports whether s and other are the same but for their Version.
func (s Snapshot) equal(other Snapshot) bool {
	return slices.EqualFunc(s.Contexts, other.Contexts, State.equal) &&
		slices.Equal(s.Problems, other.Problems) &&
		slices.Equal(s.SettingsProblems, other.SettingsProblems) &&
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
	next := Snapshot{
		Contexts: make([]State, 0, len(m.sessions)),
		Problems: m.problems, SettingsProblems: m.settingsProblems, Sources: m.sources,
	}
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

// Context returns the state of one context, and whether there is such a context.
func (s Snapshot) Context(name string) (State, bool) {
	at := slices.IndexFunc(s.Contexts, func(c State) bool { return c.Name == name })
	if at < 0 {
		return State{}, false
	}
	return s.Contexts[at], true
}
