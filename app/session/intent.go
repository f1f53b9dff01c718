package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Intent is a request of a view to the Manager: Set, Restart, StopAll, AutoOff or SetContexts.
type Intent interface {
	// apply is called by the goroutine that owns the state.
	apply(m *Manager) error
}

// Errors that Do returns when an intent is refused.
var (
	ErrUnknownContext = errors.New("no such context")
	ErrUnusable       = errors.New("it cannot be used")
	ErrUnconfirmed    = errors.New("it is marked as production and wants a confirmation")
	ErrNotOn          = errors.New("it is not on")
	ErrNotRunning     = errors.New("the program is stopping")
)

// Set turns a context on or off. A context that has failed and is set on is started again.
type Set struct {
	Name string
	On   bool
	// Restored says that the desired state was read from disk, where an earlier run of the program saved it. It is not
	// saved again, and Start is called with restored set.
	Restored bool
	// For makes a context that is turned on turn itself off after this time, instead of the AutoOff of its Entry; 0 does
	// not.
	For time.Duration
	// Confirmed says that the user has confirmed the intent. Without it a production context is not turned on, even
	// when it is restored, and Do returns ErrUnconfirmed.
	Confirmed bool
	// WhenUsable makes a context that cannot be used turn on as soon as it can. Do still returns ErrUnusable.
	WhenUsable bool
}

// Restart stops a context that is on and starts it again. One that has failed is only started. Nothing is saved, and a
// production context needs no new confirmation. For a context that is off, Do returns ErrNotOn.
type Restart struct{ Name string }

// StopAll turns every context off, and clears failures.
type StopAll struct{}

// AutoOff makes a context that is on turn itself off after a duration, counted from now; 0 lets it stay on. It replaces
// the AutoOff of its Entry for this run of the context.
type AutoOff struct {
	Name  string
	After time.Duration
}

// SetContexts replaces the list of contexts. A context that stays keeps its state. If its Fingerprint changed, it is
// reloaded if it is running, and started again if it has failed and is not a production one. A context that is gone is
// turned off, without saving that, and disappears when it has stopped. When it comes back it is turned on again, unless
// it is a production one or the user has turned it or everything off meanwhile.
type SetContexts struct {
	Entries          []Entry
	Problems         []string // what is wrong with the kubeconfig as a whole, one sentence each
	SettingsProblems []string // and with the settings
	Sources          []string // the files that were searched
}

// Entry is one context of the kubeconfig. Only Name is required.
type Entry struct {
	Name      string
	Cluster   string
	User      string // the kubeconfig's name for it
	Namespace string
	File      string    // the kubeconfig file it is in
	Endpoints Endpoints // where it will listen, if that is known already
	Problem   string    // why it cannot be used, in one sentence; empty if it can
	Hint      string    // what to do about the problem; may be empty

	// Fingerprint changes when something changes that a running proxy must apply.
	Fingerprint string

	Outside    string        // the route of hosts outside the cluster, for the views
	Current    bool          // it is the kubeconfig's current context, for the views
	Production bool          // switching it on needs a confirmation
	Password   bool          // clients need one
	TLS        bool          // clients must use TLS, with a certificate
	AnyUser    bool          // other users of this machine may connect
	Warning    string        // who else may use it, and where it leads, in plain sentences; may be empty
	AutoOff    time.Duration // after this time it turns itself off; 0 means never
	Used       time.Time     // when it was last switched on by an earlier run of the program
}

// Do passes an intent to Run and returns when Run has applied it. Snapshot then shows its effect, though what it
// started may take a while: a nil error does not mean that a context could be started, which only later snapshots show.
// Do waits for Run to start. It returns ErrNotRunning once Run is stopping, ErrUnknownContext, ErrUnusable,
// ErrUnconfirmed, ErrNotOn, or ctx's error.
func (m *Manager) Do(ctx context.Context, i Intent) error {
	r := request{apply: func() error {
		if m.stopping {
			return ErrNotRunning
		}
		return i.apply(m)
	}, result: make(chan error, 1)}
	select {
	case m.requests <- r:
		return <-r.result
	case <-m.done:
		return ErrNotRunning
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i Set) apply(m *Manager) error {
	if i.Restored && m.chosen[i.Name] {
		return nil // what was read from disk is older
	}
	if i.Restored && i.On {
		m.saved[i.Name] = true
	}
	s, err := m.find(i.Name)
	if err != nil {
		return err
	}
	return s.setDesired(i)
}

func (i Restart) apply(m *Manager) error {
	s, err := m.find(i.Name)
	switch {
	case err != nil:
		return err
	case !s.wanted || s.gone:
		return fmt.Errorf("context %q: %w", s.entry.Name, ErrNotOn)
	case s.phase == Starting || s.phase.Listening():
		m.config.Log.Info().Str("context", s.entry.Name).Msg("restarting")
		s.phase, s.reason = Stopping, Reason{}
		s.stop()
	}
	s.restored = false
	s.drive()
	return nil
}

func (StopAll) apply(m *Manager) error {
	for _, waiting := range []map[string]bool{m.awaited, m.saved} {
		for name := range waiting {
			m.desired.put(name, false)
		}
		clear(waiting)
	}
	var errs []error
	for _, s := range m.sessions {
		errs = append(errs, s.setDesired(Set{}))
	}
	return errors.Join(errs...)
}

func (i AutoOff) apply(m *Manager) error {
	s, err := m.find(i.Name)
	if err != nil {
		return err
	}
	if s.run != nil && s.phase.Listening() {
		s.scheduleOff(time.Now(), i.After)
	}
	return nil
}

func (i SetContexts) apply(m *Manager) error {
	m.known = true
	m.problems, m.settingsProblems, m.sources = slices.Clone(i.Problems), slices.Clone(i.SettingsProblems), slices.Clone(i.Sources)
	before := m.sessions
	were := make(map[string]*session, len(before))
	for _, s := range before {
		were[s.entry.Name] = s
	}
	m.sessions = make([]*session, 0, len(i.Entries))
	stay := make(map[string]bool, len(i.Entries))
	for _, entry := range i.Entries {
		if stay[entry.Name] {
			continue // kubectl, too, uses the first of two entries with the same name
		}
		stay[entry.Name] = true
		s := were[entry.Name]
		if s == nil {
			s = &session{manager: m, phase: Off}
		}
		m.sessions = append(m.sessions, s)
		s.setEntry(entry)
		s.restore()
	}
	for _, s := range before {
		if stay[s.entry.Name] {
			continue
		}
		s.gone, s.restored = true, true // in case it comes back before it has stopped
		if s.wanted {
			m.awaited[s.entry.Name] = true
			m.config.Log.Info().Str("context", s.entry.Name).Msg("context removed from the kubeconfig")
		}
		s.drive()
		if s.run != nil {
			m.sessions = append(m.sessions, s)
		}
	}
	return nil
}

// setEntry sets the entry of a session that is new or whose entry may have changed.
func (s *session) setEntry(entry Entry) {
	before := s.entry
	s.entry, s.gone = entry, false
	changed := entry.Fingerprint != before.Fingerprint && entry.Problem == ""
	if s.run == nil {
		if len(entry.Endpoints) > 0 {
			s.endpoints = entry.Endpoints
		}
		if changed && s.phase == Failed && s.wanted && s.mayRestore() {
			s.restored = true
			s.drive()
		}
		return
	}
	if entry.AutoOff != before.AutoOff && s.onFor == 0 && s.phase.Listening() {
		s.scheduleOff(s.since, entry.AutoOff)
	}
	// An entry that cannot be used cannot be applied either; the proxy keeps the old one.
	if changed {
		s.reload()
	}
}

// mayRestore reports whether a context that was on before may be turned on without a confirmation.
func (s *session) mayRestore() bool { return !s.entry.Production || s.manager.config.ConfirmedOnce }

// restore turns on a context that was on when the kubeconfig lost it, once it can be used again.
func (s *session) restore() {
	if !s.manager.awaited[s.entry.Name] || s.entry.Problem != "" {
		return
	}
	delete(s.manager.awaited, s.entry.Name)
	if s.wanted || !s.mayRestore() {
		return
	}
	s.wanted, s.restored = true, true
	s.drive()
}

func (m *Manager) find(name string) (*session, error) {
	for _, s := range m.sessions {
		if s.entry.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("context %q: %w", name, ErrUnknownContext)
}

// setDesired records whether the user wants a context on, here and on disk, and starts what that takes.
func (s *session) setDesired(w Set) error {
	if w.On && s.gone {
		return fmt.Errorf("context %q: %w", s.entry.Name, ErrUnknownContext)
	}
	if w.On && s.entry.Problem != "" {
		if w.WhenUsable {
			s.manager.awaited[s.entry.Name] = true
		}
		return fmt.Errorf("context %q: %w: %s", s.entry.Name, ErrUnusable, strings.TrimSpace(s.entry.Problem+" "+s.entry.Hint))
	}
	idle := !s.wanted || s.phase == Failed
	if w.On && idle && s.entry.Production && !w.Confirmed {
		return fmt.Errorf("context %q: %w", s.entry.Name, ErrUnconfirmed)
	}
	// A context that was not turned on again may still be saved as on.
	stale := !w.On && s.manager.saved[s.entry.Name]
	if (s.wanted != w.On && !s.gone || stale) && !w.Restored {
		s.manager.desired.put(s.entry.Name, w.On)
		delete(s.manager.saved, s.entry.Name)
	}
	if w.On && idle && !w.Restored {
		s.used = time.Now().Round(0)
	}
	delete(s.manager.awaited, s.entry.Name)
	if !w.Restored {
		s.manager.chosen[s.entry.Name] = true
	}
	s.wanted, s.restored = w.On, w.Restored
	if idle {
		s.onFor = w.For
	}
	s.drive()
	return nil
}
