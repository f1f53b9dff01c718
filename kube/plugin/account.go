package plugin

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// How a plugin is spared, and how long it may take.
const (
	patience    = 10 * time.Second // that a Login waits for one run
	longestRun  = 5 * time.Minute  // then it is ended: nobody is coming to answer it
	firstRest   = 2 * time.Second  // after a failure; it doubles with each
	longestRest = 30 * time.Second
	// A plugin that took long may have asked its user something, in a browser window say. It may take a tenth of the time.
	share       = 10
	longestCalm = 15 * time.Minute
)

// errNone is what there is before a first login.
var errNone = errors.New("not logged in")

// An account is what the contexts share that log in by one user entry: its credentials, and how its plugin fares.
type account struct {
	config Config        // of the context that came first; the others' say the same
	turn   chan struct{} // holds a value while the user entry's plugin runs, for this account or another
	// releaseTurn is called once the account has ended.
	releaseTurn func() (last bool)

	mu       sync.Mutex
	members  map[*member]struct{}
	has      *credentials // nil: none
	good     bool         // they were accepted
	running  *run         // nil: none
	refusals int          // since credentials were last accepted
	refusal  *fault.Login // what the last of them was
	failures int
	last     error // of the latest failure; nil after a success
	rest     time.Time
	ended    time.Time // the latest run
}

// A member is one Begin.
type member struct{ renewed func() }

// A run is one run of the plugin. err may be read once done is closed.
type run struct {
	began  time.Time
	stop   context.CancelFunc
	stderr tail
	done   chan struct{}
	err    error
}

// current gives the credentials there are.
func (a *account) current() (*credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.has == nil || a.has.expired(time.Now()) {
		if a.last != nil {
			return nil, a.last
		}
		return nil, &fault.Login{Err: errNone}
	}
	return a.has, nil
}

// login runs the plugin, or waits for the run there is.
func (a *account) login(ctx context.Context) error {
	r, err := a.ensureRun()
	if err != nil || r == nil {
		return err
	}
	timer := time.NewTimer(time.Until(r.began.Add(patience)))
	defer timer.Stop()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return &fault.Login{Cause: fault.PluginSilent, Detail: r.stderr.lastLine(), Err: errors.New("it has not finished yet, and may wait for its user")}
	}
}

// ensureRun gives the run to wait for, and begins one if there is none. It gives none when there are credentials.
func (a *account) ensureRun() (*run, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	switch {
	case a.has != nil && !a.has.expired(now):
		return nil, nil
	case a.running != nil:
		return a.running, nil
	case len(a.members) == 0:
		return nil, net.ErrClosed
	case now.Before(a.rest):
		return nil, a.last
	}
	ctx, stop := context.WithTimeout(context.Background(), longestRun)
	r := &run{began: now, stop: stop, done: make(chan struct{})}
	a.running = r
	go a.run(ctx, r)
	return r, nil
}

// run runs the plugin once. The last member to leave ends it and waits for it.
func (a *account) run(ctx context.Context, r *run) {
	defer r.stop()
	var c *credentials
	var err error
	select {
	case a.turn <- struct{}{}:
		c, err = execute(ctx, a.config, &r.stderr)
		<-a.turn
	case <-ctx.Done():
		err = ctx.Err()
	}
	a.mu.Lock()
	if err == nil {
		c.late = c.past(time.Now())
	}
	r.err = err
	a.running, a.ended = nil, time.Now()
	var tell []func()
	if err == nil {
		a.has, a.good, a.last = c, false, nil
		for m := range a.members {
			tell = append(tell, m.renewed)
		}
	} else {
		a.failed(err, time.Since(r.began))
	}
	a.mu.Unlock()
	for _, renewed := range tell {
		renewed()
	}
	close(r.done)
}

// failed takes note of a failure, and leaves the plugin alone for a while. mu is held.
func (a *account) failed(err error, took time.Duration) {
	calm := max(min(firstRest<<min(a.failures, 8), longestRest), min(took*share, longestCalm))
	a.failures++
	a.last, a.rest = err, time.Now().Add(calm)
}

// refused drops credentials that the API server answered 401 to. What it took for a while has expired, and what it never
// took may come from a cache of the plugin's: the plugin may be asked at once for others, but not again and again.
func (a *account) refused(c *credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.has != c {
		return
	}
	a.has = nil
	a.refusal = &fault.Login{}
	if c.past(time.Now()) {
		a.refusal = &fault.Login{Cause: fault.LoginExpired, Expired: c.expires, Err: errors.New("what it gives has expired")}
	}
	if a.refusals++; a.refusals > 1 || a.good && time.Since(a.ended) < firstRest {
		a.failed(a.refusal, 0)
	}
}

// turnedDown is the error of the credentials that the API server did not accept last.
func (a *account) turnedDown() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusal == nil {
		return &fault.Login{}
	}
	return a.refusal
}

// accepted takes note that the API server takes the credentials.
func (a *account) accepted(c *credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.has == c && !a.good {
		a.good, a.refusals, a.failures, a.last, a.rest = true, 0, 0, nil, time.Time{}
	}
}

// forget drops the credentials, whether they are any good or not.
func (a *account) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.has = nil
	a.refusals, a.failures, a.rest = 0, 0, time.Time{}
}

// rested ends the time in which the plugin is left alone.
func (a *account) rested() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals, a.failures, a.rest = 0, 0, time.Time{}
}
