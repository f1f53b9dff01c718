package kube

import (
	"errors"
	"sync"

	"fairlead/kube/fault"
)

// health remembers whether the API server was there and accepted the login when last asked, and tells of changes.
type health struct {
	report func(error) // may be nil

	mu    sync.Mutex
	state condition
	text  string        // of the error that brought it there
	away  chan struct{} // holds a value after the API server became unreachable
}

type condition int

const (
	well condition = iota
	unreachable
	loggedOut
)

func newHealth(report func(error)) *health {
	return &health{report: report, away: make(chan struct{}, 1)}
}

// observe takes the outcome of a request. Reports are made in order, one at a time.
func (h *health) observe(err error) {
	state, known := conditionOf(err)
	if !known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(state, err)
}

// recovered is told when the API server was found again without a login; a login that failed meanwhile stays failed.
func (h *health) recovered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == unreachable {
		h.enter(well, nil)
	}
}

// loggedIn is told when a credential plugin gave a login after all, while nobody was waiting for it.
func (h *health) loggedIn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == loggedOut {
		h.enter(well, nil)
	}
}

func (h *health) enter(state condition, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if state == h.state && (state == well || text == h.text) {
		return
	}
	h.state, h.text = state, text
	if state == unreachable {
		signal(h.away)
	}
	if h.report != nil {
		if state == well {
			err = nil
		}
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

func (h *health) is(state condition) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state == state
}

// conditionOf says what an outcome tells of the API server; false when it tells nothing.
func conditionOf(err error) (condition, bool) {
	var away *fault.Unreachable
	var login *fault.Login
	var forbidden *fault.Forbidden
	switch {
	case errors.As(err, &away):
		return unreachable, true
	case errors.As(err, &login):
		return loggedOut, true
	case err == nil, errors.Is(err, errAbsent), errors.As(err, &forbidden):
		return well, true
	}
	return well, false
}
