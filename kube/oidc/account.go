package oidc

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// How the provider is spared, and how long it may take.
const (
	patience    = 10 * time.Second // for one renewal
	firstRest   = 2 * time.Second  // after a failure; it doubles with each
	longestRest = 30 * time.Second
	early       = 10 * time.Second // before its end a token is renewed, as kubectl does
	saveRest    = time.Minute      // after tokens could not be saved
	mostFormer  = 32
)

// An account is what the contexts share that log in by one user entry.
type account struct {
	config   Config // of the context that came first; the others' say the same
	provider *provider
	tasks    sync.WaitGroup // the renewals
	saving   sync.Mutex     // held while tokens are saved

	mu      sync.Mutex
	members map[*member]struct{}
	has     tokens
	// late says that the token had expired by this machine's clock when the provider gave it. Then one of the clocks is
	// wrong, and only the API server can say when the token ends.
	late     bool
	former   []tokens // what has was before: a kubeconfig with one of these is older than what is here
	forced   bool     // the next Login renews the token
	unsaved  bool
	save     time.Time // when to try again to save
	running  *renewal  // nil: none
	refusals int       // by the API server, of new tokens
	failures int
	last     error // of the latest failure; nil after a success
	rest     time.Time
}

// A member is one Begin.
type member struct{ renewed func() }

// A renewal gets tokens once. err may be read once done is closed.
type renewal struct {
	stop    context.CancelFunc
	awaited bool
	done    chan struct{}
	err     error
}

// lasts reports whether the token can be used for a while. mu is held.
func (a *account) lasts(while time.Duration) bool {
	return a.has.id != "" && (a.late || time.Now().Add(while).Before(Expiry(a.has.id)))
}

// current returns the token for a request.
func (a *account) current() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.lasts(0):
		return a.has.id, nil
	case a.last != nil:
		return "", a.last
	}
	return "", &fault.Login{Cause: fault.LoginRenewal, Err: errors.New("its ID token has expired")}
}

func (a *account) expires() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Expiry(a.has.id)
}

// login renews the token if need be, or waits for the renewal there is.
func (a *account) login(ctx context.Context) error {
	r, err := a.ensureRenewal()
	if err != nil || r == nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ensureRenewal returns the renewal to wait for, and begins one if there is none; nil if there is a token to use.
func (a *account) ensureRenewal() (*renewal, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	valid := a.lasts(early) && !a.forced
	switch {
	case valid && a.unsaved && a.running == nil && len(a.members) > 0 && now.After(a.save):
		a.begin(false) // which saves
		return nil, nil
	case valid:
		return nil, nil
	case a.running != nil:
		return a.running, nil
	case len(a.members) == 0:
		return nil, net.ErrClosed
	case now.Before(a.rest):
		return nil, a.last
	}
	return a.begin(true), nil
}

// begin begins a renewal. awaited says that it is for a login. mu is held.
func (a *account) begin(awaited bool) *renewal {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	r := &renewal{stop: stop, awaited: awaited, done: make(chan struct{})}
	a.running = r
	a.tasks.Go(func() { a.renew(ctx, r) })
	return r
}

// renew gets tokens, and saves them once those who wait for them have them.
func (a *account) renew(ctx context.Context, r *renewal) {
	defer r.stop()
	fresh, asked, err := a.obtain(ctx)
	for _, renewed := range a.settle(r, fresh, asked, err) {
		renewed()
	}
	close(r.done)
	a.saveIfNeeded()
}

// obtain returns the tokens that the user entry has got meanwhile, of kubectl for example, else the provider's, and whether it
// asked the provider.
func (a *account) obtain(ctx context.Context) (fresh tokens, asked bool, err error) {
	if settings, err := a.config.Store.Load(); err == nil {
		a.adopt(tokensOf(settings))
	}
	a.mu.Lock()
	has, valid := a.has, a.lasts(early) && !a.forced
	a.mu.Unlock()
	switch {
	case valid:
		return has, false, nil
	case has.refresh == "":
		return tokens{}, false, &fault.Login{Cause: fault.LoginRenewal, Err: errors.New("there is no refresh token")}
	}
	fresh, err = a.provider.refresh(ctx, has)
	return fresh, true, err
}

// settle notes what came of a renewal, and returns what to call if there is another token.
func (a *account) settle(r *renewal, fresh tokens, asked bool, err error) (tell []func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running, r.err = nil, err
	a.forced = a.forced && !asked // a renewal that saves alone leaves it
	if err != nil {
		if fresh.refresh != "" && fresh.refresh != a.has.refresh {
			a.replace(tokens{a.has.id, fresh.refresh})
			a.unsaved = true
		}
		if !errors.Is(err, context.Canceled) {
			a.failed(err)
		}
		return nil
	}
	switch {
	case fresh != a.has:
		a.replace(fresh)
		a.late = !a.lasts(early)
		a.unsaved = true
	case !a.lasts(0): // the API server has refused this one
		r.err = &fault.Login{Cause: fault.LoginExpired, Expired: Expiry(a.has.id)}
		a.failed(r.err)
		return nil
	}
	if a.refusals == 0 {
		a.failures = 0
	}
	a.last, a.rest = nil, time.Time{}
	for m := range a.members {
		if !r.awaited {
			break
		}
		tell = append(tell, m.renewed)
	}
	return tell
}

// failed notes a failure, and leaves the provider alone for a while. mu is held.
func (a *account) failed(err error) {
	a.last, a.rest = err, time.Now().Add(min(firstRest<<min(a.failures, 8), longestRest))
	a.failures++
}

// adopt takes the tokens of a kubeconfig, unless they are older than those that are here.
func (a *account) adopt(found tokens) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found == a.has || found == (tokens{}) || slices.Contains(a.former, found) {
		return
	}
	a.replace(found)
	a.forced, a.unsaved = false, false
	a.refusals, a.failures, a.last, a.rest = 0, 0, nil, time.Time{}
}

// replace makes other tokens those to use. mu is held.
func (a *account) replace(by tokens) {
	a.former = append(a.former, a.has)
	a.former = a.former[max(0, len(a.former)-mostFormer):]
	a.has, a.late = by, false
}

// saveIfNeeded puts tokens that are only here into the user entry. A refresh token may be good for one use alone.
func (a *account) saveIfNeeded() {
	a.saving.Lock()
	defer a.saving.Unlock()
	a.mu.Lock()
	has, unsaved := a.has, a.unsaved
	a.mu.Unlock()
	if !unsaved {
		return
	}
	err := a.config.Store.Save(map[string]string{keyID: has.id, keyRefresh: has.refresh})
	if err != nil {
		a.config.Log.Warn().Err(err).Str("context", a.config.Context).Msg("renewed login not saved in the kubeconfig")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unsaved = a.unsaved && (err != nil || a.has != has)
	a.save = time.Now().Add(saveRest)
}

// refused notes that the API server does not accept a token. Only one whose end the clocks do not agree on is renewed for
// that: kubectl renews none.
func (a *account) refused(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.has.id != token || !a.late {
		return
	}
	a.late = false
	if a.refusals++; a.refusals > 1 {
		a.failed(&fault.Login{Cause: fault.LoginExpired, Expired: Expiry(token)})
	}
}

// accepted notes that the API server accepts the token.
func (a *account) accepted() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals = 0
}

// forget makes the next login renew the token.
func (a *account) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forced = a.has.refresh != "" // else nothing better can come
	a.refusals, a.failures, a.rest = 0, 0, time.Time{}
}

// rested ends the time in which the provider is left alone.
func (a *account) rested() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals, a.failures, a.rest = 0, 0, time.Time{}
}
