package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// An Intent is something a view may ask of the Manager: Toggle, Set, StopAll or SetContexts.
type Intent interface {
	// apply runs in the loop that owns the state.
	apply(m *Manager) error
}

// What Do answers when an intent cannot be taken up.
var (
	ErrUnknownContext = errors.New("no such context")
	ErrUnusable       = errors.New("context cannot be used")
	ErrNotRunning     = errors.New("the program is stopping")
)

// Toggle turns a context on if it is off or has failed, and off otherwise.
type Toggle struct{ Name string }

// Set turns a context on or off. A context that has failed and is set on is started again.
type Set struct {
	Name string
	On   bool
	// Restored tells that the wish was read from disk, where an earlier run of the program left it: it is not saved again, and
	// Start learns that nobody clicked.
	Restored bool
}

// StopAll turns every context off, and forgets failures.
type StopAll struct{}

// SetContexts tells which contexts there are. One that stays keeps its state. One that is gone is turned off, without saving that as
// a wish, and disappears when it has stopped.
type SetContexts struct {
	Entries  []Entry
	Problems []string // what is wrong with the kubeconfig as a whole, one sentence each
	Sources  []string // the files that were looked at
}

// Entry is one context of the kubeconfig. Its zero value but for Name can be used.
type Entry struct {
	Name      string
	Cluster   string
	Namespace string
	Address   string // host:port it is to listen on, if known already
	Problem   string // why it cannot be used, in one sentence; empty if it can
}

// Do hands an intent to Run and returns when it was taken up: its effect is then in Snapshot, though what it set off may take a
// while. It waits for Run to start, and returns ErrNotRunning once Run is stopping, ErrUnknownContext, ErrUnusable, or ctx's error.
// A nil error does not mean that a context could be started; Watch tells.
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

func (i Toggle) apply(m *Manager) error {
	s, err := m.find(i.Name)
	if err != nil {
		return err
	}
	return m.wish(s, !s.wanted || s.phase == Failed, false)
}

func (i Set) apply(m *Manager) error {
	s, err := m.find(i.Name)
	if err != nil {
		return err
	}
	return m.wish(s, i.On, i.Restored)
}

func (StopAll) apply(m *Manager) error {
	var errs []error
	for _, s := range m.sessions {
		errs = append(errs, m.wish(s, false, false))
	}
	return errors.Join(errs...)
}

func (i SetContexts) apply(m *Manager) error {
	m.known = true
	m.problems, m.sources = slices.Clone(i.Problems), slices.Clone(i.Sources)
	before := m.sessions
	m.sessions = make([]*session, 0, len(i.Entries))
	for _, entry := range i.Entries {
		if _, err := m.find(entry.Name); err == nil {
			continue // kubectl, too, takes the first of two entries with one name
		}
		s := &session{phase: Off}
		if at := slices.IndexFunc(before, func(s *session) bool { return s.entry.Name == entry.Name }); at >= 0 {
			s = before[at]
		}
		s.entry, s.gone = entry, false
		if s.run == nil && entry.Address != "" {
			s.address = entry.Address
		}
		m.sessions = append(m.sessions, s)
	}
	for _, s := range before {
		if slices.Contains(m.sessions, s) {
			continue
		}
		s.gone = true
		m.drive(s)
		if s.run != nil {
			m.sessions = append(m.sessions, s)
		}
	}
	return nil
}

func (m *Manager) find(name string) (*session, error) {
	for _, s := range m.sessions {
		if s.entry.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("context %q: %w", name, ErrUnknownContext)
}

// wish records what the user wants of a context, here and on disk, and sets off what it takes.
func (m *Manager) wish(s *session, on, restored bool) error {
	if on && s.gone {
		return fmt.Errorf("context %q: %w", s.entry.Name, ErrUnknownContext)
	}
	if on && s.entry.Problem != "" {
		return fmt.Errorf("context %q: %w: %s", s.entry.Name, ErrUnusable, s.entry.Problem)
	}
	if s.wanted != on && !s.gone && !restored {
		m.wishes.put(s.entry.Name, on)
	}
	s.wanted, s.restored = on, restored
	m.drive(s)
	return nil
}
