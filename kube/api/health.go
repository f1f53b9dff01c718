package api

import (
	"errors"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// Health records whether the API server was reachable and accepted the login when last asked, and reports changes.
type Health struct {
	report func(error) // may be nil

	mu          sync.Mutex
	state       condition
	ReportFirst bool          // report the next success even if nothing was wrong
	err         error         // that led to the state; nil if it is healthy
	accepted    time.Time     // when a question's login was last accepted
	lost        chan struct{} // holds a value after the API server became unreachable
}

type condition int

const (
	healthy condition = iota
	unreachable
	loggedOut
	blocked // questions are answered, but port-forwards do not get through
)

// NewHealth returns a Health that begins healthy. It calls report with each change, one call at a time, from any goroutine.
// report may be nil.
func NewHealth(report func(error)) *Health {
	return &Health{report: report, lost: make(chan struct{}, 1)}
}

// observe records the outcome of a question. While port-forwards are blocked, a question's success changes nothing: it says
// nothing about them.
func (h *Health) observe(err error) {
	state, known := conditionOf(err)
	if !known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if state == healthy {
		h.accepted = time.Now()
	}
	if h.state != blocked || state != healthy {
		h.enter(state, err)
	}
}

// AcceptedWithin reports whether a question's login was accepted less than d ago.
func (h *Health) AcceptedWithin(d time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.accepted.IsZero() && time.Since(h.accepted) < d
}

// ObserveDial records the outcome of a port-forward.
func (h *Health) ObserveDial(err error) {
	state, known := conditionOf(err)
	if !known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(state, err)
}

// Trouble returns the error that a question would meet; nil if it is worth asking. known is whether its answer is known from
// an earlier time. While the user is logged out a question without a known answer is asked all the same, since it starts
// the login, and perhaps nothing else will.
func (h *Health) Trouble(known bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == unreachable || h.state == loggedOut && known {
		return h.err
	}
	return nil
}

// recovered records that the API server answers again. That was found out without a login, so a failed login stays failed.
func (h *Health) recovered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == unreachable {
		h.enter(healthy, nil)
	}
}

// NoteLogin records that the credentials were renewed without a question waiting for them.
func (h *Health) NoteLogin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == loggedOut {
		h.enter(healthy, nil)
	}
}

// enter changes the state, and reports that unless the last report was the same. The caller holds mu.
func (h *Health) enter(state condition, err error) {
	if state == healthy {
		err = nil
	}
	if state == h.state && (state == healthy || err.Error() == h.err.Error()) && (state != healthy || !h.ReportFirst) {
		return
	}
	h.state, h.err, h.ReportFirst = state, err, false
	if state == unreachable {
		signal(h.lost)
	}
	if h.report != nil {
		h.report(err)
	}
}

// signal sends to a channel with a buffer of one, unless it is full.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// IsUnreachable reports whether the last attempt to reach the API server failed.
func (h *Health) IsUnreachable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state == unreachable
}

// conditionOf returns what an outcome says about the API server; false if it says nothing.
func conditionOf(err error) (condition, bool) {
	switch {
	case errors.As(err, new(*fault.Unreachable)):
		return unreachable, true
	case errors.As(err, new(*fault.Login)):
		return loggedOut, true
	case errors.As(err, new(*fault.Blocked)):
		return blocked, true
	case err == nil, errors.Is(err, ErrAbsent), errors.As(err, new(*fault.Forbidden)), errors.As(err, new(*fault.Node)):
		return healthy, true // the API server reported the node's fault
	}
	return healthy, false
}
