package kube

import (
	"context"
	"errors"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// How long a credential plugin that failed is left alone: it may open a browser window each time.
const (
	firstRest   = 2 * time.Second
	longestRest = 30 * time.Second
)

// A login keeps requests from running a credential plugin again and again. Until one request has been accepted they go
// one at a time, and after a failure none goes for a while; the others get the same answer.
type login struct {
	turn chan struct{} // holds a value while a request tries the login; nil where there is no plugin

	mu       sync.Mutex
	accepted bool
	failures int
	last     error // of the latest failure
	retry    time.Time
}

func newLogin(plugin bool) *login {
	l := &login{}
	if plugin {
		l.turn = make(chan struct{}, 1)
	}
	return l
}

// enter waits for a request's turn. The request's outcome goes to the returned function.
func (l *login) enter(ctx context.Context) (leave func(error), err error) {
	if l.turn == nil {
		return func(error) {}, nil
	}
	if l.isAccepted() {
		return l.learn, nil
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.isAccepted() {
		<-l.turn
		return l.learn, nil
	}
	if err := l.resting(); err != nil {
		<-l.turn
		return nil, err
	}
	return func(err error) { l.learn(err); <-l.turn }, nil
}

func (l *login) isAccepted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

// resting gives the latest failure while it is too early to try again.
func (l *login) resting() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.retry) {
		return l.last
	}
	return nil
}

func (l *login) learn(err error) {
	state, known := conditionOf(err)
	if !known || state == unreachable {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused *fault.Login
	if !errors.As(err, &refused) {
		l.accepted, l.failures, l.last, l.retry = true, 0, nil, time.Time{}
		return
	}
	rest := min(firstRest<<min(l.failures, 8), longestRest)
	l.accepted, l.last, l.retry = false, err, time.Now().Add(rest)
	l.failures++
}
