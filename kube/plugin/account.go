package plugin

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// How long a plugin may take, and how often it is run.
const (
	loginTimeout = 10 * time.Second // how long a Login waits for one run
	maxRunTime   = 5 * time.Minute  // then it is ended, since its user does not answer it
	firstBackoff = 2 * time.Second  // after a failure; it doubles with each
	maxBackoff   = 30 * time.Second
	// A plugin that took long may have asked its user something, in a browser window for example. The pause after its
	// failure is this many times as long as the run, up to maxSlowBackoff.
	backoffFactor  = 10
	maxSlowBackoff = 15 * time.Minute
)

// errNotLoggedIn is the reason before a first login.
var errNotLoggedIn = errors.New("not logged in")

// An account is what the contexts with the same user entry share: its credentials, and the runs of its plugin.
type account struct {
	config Config        // of the first context; the others' are equal
	turn   chan struct{} // holds a value while the user entry's plugin runs, for this account or another
	// releaseTurn is called once the account has ended.
	releaseTurn func() (last bool)

	mu           sync.Mutex
	members      map[*member]struct{}
	held         *credentials // nil: none
	accepted     bool         // the API server has accepted them
	running      *run         // nil: none
	refusals     int          // since credentials were last accepted
	refusal      *fault.Login // the error of the last one
	failures     int
	lastErr      error // of the latest failure; nil after a success
	backoffUntil time.Time
	lastRunEnded time.Time // when the latest run ended
}

// A member is one context that uses an account, between Begin and its end.
type member struct{ renewed func() }

// A run is one run of the plugin. err may be read once done is closed.
type run struct {
	began  time.Time
	stop   context.CancelFunc
	stderr tail
	done   chan struct{}
	err    error
}

// current returns the current credentials.
func (a *account) current() (*credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil || a.held.isExpired(time.Now()) {
		if a.lastErr != nil {
			return nil, a.lastErr
		}
		return nil, &fault.Login{Err: errNotLoggedIn}
	}
	return a.held, nil
}

// login runs the plugin, or waits for the running one.
func (a *account) login(ctx context.Context) error {
	r, err := a.ensureRun()
	if err != nil || r == nil {
		return err
	}
	timer := time.NewTimer(time.Until(r.began.Add(loginTimeout)))
	defer timer.Stop()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		silent := &fault.Login{Cause: fault.PluginSilent, Detail: r.stderr.lastLine(), Err: errors.New("it has not finished yet, and may wait for its user")}
		return withAdvice(silent, a.config, &r.stderr)
	}
}

// ensureRun returns the run to wait for, and starts one if none is running. It returns nil if there are credentials.
func (a *account) ensureRun() (*run, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	switch {
	case a.held != nil && !a.held.isExpired(now):
		return nil, nil
	case a.running != nil:
		return a.running, nil
	case len(a.members) == 0:
		return nil, net.ErrClosed
	case now.Before(a.backoffUntil):
		return nil, a.lastErr
	}
	ctx, stop := context.WithTimeout(context.Background(), maxRunTime)
	r := &run{began: now, stop: stop, done: make(chan struct{})}
	a.running = r
	go a.run(ctx, r)
	return r, nil
}

// run runs the plugin once. The last member that leaves ends it and waits for it.
func (a *account) run(ctx context.Context, r *run) {
	defer r.stop()
	var c *credentials
	var err error
	select {
	case a.turn <- struct{}{}:
		c, err = execute(ctx, a.config, &r.stderr)
		err = withAdvice(err, a.config, &r.stderr)
		<-a.turn
	case <-ctx.Done():
		err = ctx.Err()
	}
	a.mu.Lock()
	if err == nil {
		c.late = c.isPast(time.Now())
	}
	r.err = err
	a.running, a.lastRunEnded = nil, time.Now()
	var tell []func()
	if err == nil {
		a.held, a.accepted, a.lastErr = c, false, nil
		for m := range a.members {
			tell = append(tell, m.renewed)
		}
	} else {
		a.recordFailure(err, time.Since(r.began))
	}
	a.mu.Unlock()
	for _, renewed := range tell {
		renewed()
	}
	close(r.done)
}

// recordFailure records a failure, and starts a pause in which the plugin is not run. mu is held.
func (a *account) recordFailure(err error, took time.Duration) {
	calm := max(min(firstBackoff<<min(a.failures, 8), maxBackoff), min(took*backoffFactor, maxSlowBackoff))
	a.failures++
	a.lastErr, a.backoffUntil = err, time.Now().Add(calm)
}

// recordRefusal drops credentials that the API server answered with 401. If it accepted them before, they have expired,
// and if it never did, they may come from a cache of the plugin's: the plugin may be run at once for others, but not
// repeatedly.
func (a *account) recordRefusal(c *credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held != c {
		return
	}
	a.held = nil
	a.refusal = &fault.Login{}
	if c.isPast(time.Now()) {
		a.refusal = &fault.Login{Cause: fault.LoginExpired, Expired: c.expires, Err: errors.New("what it gives has expired")}
	}
	if a.refusals++; a.refusals > 1 || a.accepted && time.Since(a.lastRunEnded) < firstBackoff {
		a.recordFailure(a.refusal, 0)
	}
}

// refusalError returns the error of the credentials that the API server refused last.
func (a *account) refusalError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusal == nil {
		return &fault.Login{}
	}
	return a.refusal
}

// recordAcceptance records that the API server accepts the credentials.
func (a *account) recordAcceptance(c *credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == c && !a.accepted {
		a.accepted, a.refusals, a.failures, a.lastErr, a.backoffUntil = true, 0, 0, nil, time.Time{}
	}
}

// dropCredentials drops the credentials, even valid ones.
func (a *account) dropCredentials() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = nil
	a.refusals, a.failures, a.backoffUntil = 0, 0, time.Time{}
}

// endBackoff ends the pause in which the plugin is not run.
func (a *account) endBackoff() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals, a.failures, a.backoffUntil = 0, 0, time.Time{}
}
