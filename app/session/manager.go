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

// Start opens the proxy of one context; it listens before it returns. ctx is cancelled when the context is to stop, and bounds both
// the start and what Serve does later. restored tells that nobody clicked just now: the wish comes from an earlier run of the program,
// or a change took a restart. health may be called at any time until Serve has returned, by any goroutine, and never blocks: nil when the cluster was reached,
// an error when it could not be, and ErrUnknownHealth when what was told before says nothing any more.
type Start func(ctx context.Context, name string, restored bool, health func(error)) (Proxy, error)

// A Proxy serves one context.
type Proxy interface {
	// Serve returns when ctx is cancelled and everything has ended, or early with the error that ended it. Called with a cancelled
	// ctx it only closes what Start opened.
	Serve(ctx context.Context) error
	// Address is host:port.
	Address() string
}

// A Reconfigurer is a Proxy that can take up a change of its context's entry or settings without closing what is open.
type Reconfigurer interface {
	// Reconfigure reads anew what the proxy was started from and works by it from then on. It is called by one goroutine, between
	// the start of Serve and its end. ErrRestart tells that it takes a stop and a start; with any other error the proxy goes on as
	// it was. Address may differ after it.
	Reconfigure(ctx context.Context) error
}

// ErrRestart is Reconfigure's answer when the change cannot be taken up in place.
var ErrRestart = errors.New("the change takes a restart")

// ErrUnknownHealth is told by a proxy that goes another way into its cluster, which nobody has tried yet.
var ErrUnknownHealth = errors.New("the cluster has not been tried since a change")

// Config says how a Manager does its work. Only Start is required.
type Config struct {
	Start Start
	// Reason explains an error in one plain sentence. Nil means the error's own text.
	Reason func(error) Reason
	// Save keeps a wish for the next run of the program. It is called by one goroutine, in order for each context, with the last
	// wish when several came while it was busy. Run waits for it, no longer than StopWithin at the end. Nil keeps nothing.
	Save func(name string, on bool) error
	// ConfirmedOnce makes a confirmation hold while Run lasts: a context of production that comes back, or is repaired, is on again without
	// another. It is for a program that was told on its command line what to serve.
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
	healthChanged chan struct{} // one token: some session's health changed
	done          chan struct{} // closed when Run returns
	desired       *desiredQueue

	// Owned by the goroutine in Run.
	sessions  []*session
	awaited   map[string]bool // contexts to be switched on once they are there and can be used, by name
	problems  []string
	sources   []string
	known     bool // SetContexts has come
	stopping  bool
	abandoned map[*run]string // runs that did not end in time, with their context's name

	published sync.Mutex // guards what follows
	snapshot  Snapshot
	changed   chan struct{}
}

// request is a change to the state, made by Run. result, if any, has room for one answer.
type request struct {
	apply  func() error
	result chan error
}

// New returns a Manager that knows no contexts yet; SetContexts tells it. It does nothing before Run.
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
		abandoned:     make(map[*run]string),
		changed:       make(chan struct{}),
	}
}

// Run owns the state until ctx is cancelled; then it stops every context, keeping the wishes, and returns when all have ended and
// all wishes are saved. What does not end within StopWithin is left behind, and named in the error; so are wishes that a disk does not
// take within StopWithin. Run may be called once.
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
				m.drive(s)
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
		errs = append(errs, fmt.Errorf("remember what was switched: not done within %s", m.config.StopWithin))
	}
	return errors.Join(errs...)
}

// tell makes Run call apply, unless Run has returned.
func (m *Manager) post(apply func()) {
	select {
	case m.requests <- request{apply: func() error { apply(); return nil }}:
	case <-m.done:
	}
}

func (m *Manager) running() bool {
	return slices.ContainsFunc(m.sessions, func(s *session) bool { return s.run != nil })
}
