package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Start opens the proxy of a context and returns when it is listening. ctx is cancelled when the context is to stop,
// and bounds both the start and what Serve does later. restored means that the user did not request it just now: an
// earlier run of the program saved the context as on, or a change needed a restart. health may be called by any
// goroutine until Serve has returned, and never blocks: with nil when the cluster was reached, with an error when it
// could not be, and with ErrUnknownHealth when earlier calls have lost their meaning.
type Start func(ctx context.Context, name string, restored bool, health func(error)) (Proxy, error)

// A Proxy serves one context.
type Proxy interface {
	// Serve returns when ctx is cancelled and everything has ended, or early with the error that ended it. If ctx is
	// cancelled already, it only closes what Start opened.
	Serve(ctx context.Context) error
	// Endpoints returns where it listens.
	Endpoints() Endpoints
}

// A Reconfigurer is a Proxy that can apply a change of its context's entry or settings without closing connections.
type Reconfigurer interface {
	// Reconfigure reads again what the proxy was started from and applies it. It is called by one goroutine, between
	// the start of Serve and its end. It returns ErrRestart if the change needs a stop and a start; after any other
	// error the proxy continues as before. Endpoints may change.
	Reconfigure(ctx context.Context) error
}

// A Changer is a Proxy whose Endpoints may change by themselves. Its channel has a token when they may have.
type Changer interface{ Changed() <-chan struct{} }

// ErrRestart is returned by Reconfigure when the change cannot be applied in place.
var ErrRestart = errors.New("the change needs a restart")

// ErrUnknownHealth is reported by a proxy that has a new, untried link into its cluster.
var ErrUnknownHealth = errors.New("the cluster has not been tried since a change")

// Config configures a Manager. Only Start is required.
type Config struct {
	Start Start
	// Reason describes an error in one plain sentence. If nil, it is the error's text.
	Reason func(error) Reason
	// Save saves whether a context is wanted for the next run of the program. It is called by one goroutine, in order
	// for each context. Of several changes of a context while Save is busy, only the last is saved. At its end, Run
	// waits for Save, but no longer than StopWithin. If nil, nothing is saved.
	Save func(name string, on bool) error
	// ConfirmedOnce makes a confirmation hold while Run lasts: a production context that comes back, or whose entry is
	// repaired, is turned on without another one. It is for a program whose command line names the contexts.
	ConfirmedOnce bool
	// StartWithin is how long Start may take; 0 means 30 s.
	StartWithin time.Duration
	// StopWithin is how long a run may take to end after it was cancelled, before it is given up; 0 means 10 s.
	StopWithin time.Duration
	Log        zerolog.Logger
}

// Manager is the model. Its methods may be called by any goroutine.
type Manager struct {
	config        Config
	requests      chan request
	healthChanged chan struct{} // one token: the health of some session changed
	done          chan struct{} // closed when Run returns
	desired       *desiredQueue

	// Owned by the goroutine in Run.
	sessions         []*session
	awaited          map[string]bool // names of contexts to switch on once they exist and can be used
	chosen           map[string]bool // names of contexts that the user switched on or off in this run
	saved            map[string]bool // names of contexts that an earlier run saved as on, and that this one has not saved since
	problems         []string
	settingsProblems []string
	sources          []string
	known            bool // SetContexts was applied
	stopping         bool
	abandoned        map[*run]string // runs that did not end in time, with their context's name

	published sync.Mutex // guards the fields below
	snapshot  Snapshot
	changed   chan struct{}
}

// request is a change of the state, made by Run. result is nil or has room for one error.
type request struct {
	apply  func() error
	result chan error
}

// New returns a Manager without contexts; SetContexts adds them. It does nothing before Run.
func New(c Config) *Manager {
	if c.Reason == nil {
		c.Reason = func(err error) Reason { return Reason{Text: err.Error()} }
	}
	if c.Save == nil {
		c.Save = func(string, bool) error { return nil }
	}
	if c.StartWithin == 0 {
		c.StartWithin = 30 * time.Second
	}
	if c.StopWithin == 0 {
		c.StopWithin = 10 * time.Second
	}
	return &Manager{
		config:        c,
		requests:      make(chan request),
		healthChanged: make(chan struct{}, 1),
		done:          make(chan struct{}),
		desired:       newDesiredQueue(),
		awaited:       make(map[string]bool),
		chosen:        make(map[string]bool),
		saved:         make(map[string]bool),
		abandoned:     make(map[*run]string),
		changed:       make(chan struct{}),
	}
}

// Run owns the state until ctx is cancelled. Then it stops every context, keeps them saved as wanted, and returns when
// all have ended and everything is saved. Contexts that do not end within StopWithin are abandoned and named in the
// error. Run also gives up saving after StopWithin. It may be called once.
func (m *Manager) Run(ctx context.Context) error {
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		m.desired.save(m.config.Save, m.config.Log)
	}()
	defer close(m.done)

	cancelled := ctx.Done()
	for !m.stopping || m.running() {
		select {
		case r := <-m.requests:
			err := r.apply()
			m.publish()
			if r.result != nil {
				r.result <- err
			}
		case <-m.healthChanged:
			m.collectHealth()
			m.publish()
		case <-cancelled:
			cancelled = nil
			m.stopping = true
			for _, s := range m.sessions {
				s.drive()
			}
			m.publish()
		}
	}
	var errs []error
	if len(m.abandoned) > 0 {
		names := slices.Sorted(maps.Values(m.abandoned))
		errs = append(errs, fmt.Errorf("stop %s: not done within %s", strings.Join(names, ", "), m.config.StopWithin))
	}
	m.desired.close()
	select {
	case <-saved:
	case <-time.After(m.config.StopWithin):
		errs = append(errs, fmt.Errorf("save what was switched: not done within %s", m.config.StopWithin))
	}
	return errors.Join(errs...)
}

// post makes Run call apply, unless Run has returned.
func (m *Manager) post(apply func()) {
	select {
	case m.requests <- request{apply: func() error { apply(); return nil }}:
	case <-m.done:
	}
}

func (m *Manager) running() bool {
	return slices.ContainsFunc(m.sessions, func(s *session) bool { return s.run != nil })
}
