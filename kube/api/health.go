package api

import (
	"errors"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// Health remembers whether the API server was there and accepted the login when last asked, and reports changes.
type Health struct {
	report func(error) // may be nil

	mu        sync.Mutex
	state     condition
	TellFirst bool          // the next success is reported though nothing was wrong
	err       error         // that brought it there; nil when it is well
	took      time.Time     // when a question's login was last accepted
	away      chan struct{} // holds a value after the API server became unreachable
}

type condition int

const (
	well condition = iota
	unreachable
	loggedOut
	blocked // questions are answered, and port-forwards do not get through
)

// NewHealth returns a Health in which all is well. report is called with each change, one call at a time, from any goroutine; it may
// be nil.
func NewHealth(report func(error)) *Health {
	return &Health{report: report, away: make(chan struct{}, 1)}
}

// observe takes the outcome of a question. Reports are made in order, one at a time. That questions are answered says
// nothing about port-forwards that do not get through.
func (h *Health) observe(err error) {
	state, known := conditionOf(err)
	if !known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if state == well {
		h.took = time.Now()
	}
	if h.state != blocked || state != well {
		h.enter(state, err)
	}
}

// AcceptedWithin reports whether a question's login was accepted a short while ago.
func (h *Health) AcceptedWithin(d time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.took.IsZero() && time.Since(h.took) < d
}

// ObserveDial takes the outcome of a port-forward.
func (h *Health) ObserveDial(err error) {
	state, known := conditionOf(err)
	if !known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(state, err)
}

// Trouble returns what keeps a question from being answered; nil if it is worth asking. While the user is logged out only what
// is not known yet is asked: the question brings the login about, and nothing else may come that does.
func (h *Health) Trouble(known bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == unreachable || h.state == loggedOut && known {
		return h.err
	}
	return nil
}

// recovered takes note that the API server was found again without a login; a login that failed meanwhile stays failed.
func (h *Health) recovered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == unreachable {
		h.enter(well, nil)
	}
}

// NoteLogin takes note that a credential plugin returned a login after all, while nothing was waiting for it.
func (h *Health) NoteLogin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == loggedOut {
		h.enter(well, nil)
	}
}

func (h *Health) enter(state condition, err error) {
	if state == well {
		err = nil
	}
	if state == h.state && (state == well || err.Error() == h.err.Error()) && (state != well || !h.TellFirst) {
		return
	}
	h.state, h.err, h.TellFirst = state, err, false
	if state == unreachable {
		signal(h.away)
	}
	if h.report != nil {
		h.report(err)
	}
}

// signal puts a value into a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// IsUnreachable reports whether the API server could not be reached when that was last tried.
func (h *Health) IsUnreachable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state == unreachable
}

// conditionOf says what an outcome tells of the API server; false when it tells nothing.
func conditionOf(err error) (condition, bool) {
	var away *fault.Unreachable
	var login *fault.Login
	var forbidden *fault.Forbidden
	var inTheWay *fault.Blocked
	var node *fault.Node
	switch {
	case errors.As(err, &away):
		return unreachable, true
	case errors.As(err, &login):
		return loggedOut, true
	case errors.As(err, &inTheWay):
		return blocked, true
	case err == nil, errors.Is(err, ErrAbsent), errors.As(err, &forbidden), errors.As(err, &node):
		return well, true // a node's trouble is its own
	}
	return well, false
}
