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

// How long a renewal may take, and how often the provider is asked.
const (
	renewalTimeout = 10 * time.Second // for one renewal
	firstBackoff   = 2 * time.Second  // after a failure; it doubles with each
	maxBackoff     = 30 * time.Second
	renewBefore    = 10 * time.Second // how long before its expiry a token is renewed, as kubectl does
	saveInterval   = time.Minute      // between attempts to save tokens
	maxFormer      = 32
)

// An account is what the contexts with the same user entry share.
type account struct {
	config   Config // of the first context; the others' are equal
	provider *provider
	tasks    sync.WaitGroup // the renewals
	saving   sync.Mutex     // held while tokens are saved

	mu      sync.Mutex
	members map[*member]struct{}
	held    tokens
	// late reports whether the token had expired by this machine's clock when the provider issued it. Then one of the
	// clocks is wrong, and only the API server knows when the token expires.
	late         bool
	former       []tokens // earlier values of held: a kubeconfig with one of these is older
	forced       bool     // the next Login renews the token
	unsaved      bool
	nextSave     time.Time // when to try again to save
	running      *renewal  // nil: none
	refusals     int       // by the API server, of new tokens
	failures     int
	lastErr      error // of the latest failure; nil after a success
	backoffUntil time.Time
}

// A member is one context that uses an account, between Begin and its end.
type member struct{ renewed func() }

// A renewal gets tokens once. err may be read once done is closed.
type renewal struct {
	stop    context.CancelFunc
	awaited bool
	done    chan struct{}
	err     error
}

// lastsFor reports whether the token can be used for a while. mu is held.
func (a *account) lastsFor(while time.Duration) bool {
	return a.held.id != "" && (a.late || time.Now().Add(while).Before(Expiry(a.held.id)))
}

// current returns the token for a request.
func (a *account) current() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.lastsFor(0):
		return a.held.id, nil
	case a.lastErr != nil:
		return "", a.lastErr
	}
	return "", &fault.Login{Cause: fault.LoginRenewal, Err: errors.New("its ID token has expired")}
}

func (a *account) expires() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Expiry(a.held.id)
}

// login renews the token if need be, or waits for the running renewal.
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

// ensureRenewal returns the renewal to wait for, and starts one if none is running; it returns nil if there is a valid
// token.
func (a *account) ensureRenewal() (*renewal, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	valid := a.lastsFor(renewBefore) && !a.forced
	switch {
	case valid && a.unsaved && a.running == nil && len(a.members) > 0 && now.After(a.nextSave):
		a.startRenewal(false) // which saves
		return nil, nil
	case valid:
		return nil, nil
	case a.running != nil:
		return a.running, nil
	case len(a.members) == 0:
		return nil, net.ErrClosed
	case now.Before(a.backoffUntil):
		return nil, a.lastErr
	}
	return a.startRenewal(true), nil
}

// startRenewal starts a renewal. awaited reports whether it is for a login. mu is held.
func (a *account) startRenewal(awaited bool) *renewal {
	ctx, stop := context.WithTimeout(context.Background(), renewalTimeout)
	r := &renewal{stop: stop, awaited: awaited, done: make(chan struct{})}
	a.running = r
	a.tasks.Go(func() { a.renew(ctx, r) })
	return r
}

// renew gets tokens, and saves them after the waiting logins have got them.
func (a *account) renew(ctx context.Context, r *renewal) {
	defer r.stop()
	fresh, asked, err := a.obtain(ctx)
	for _, renewed := range a.finish(r, fresh, asked, err) {
		renewed()
	}
	close(r.done)
	a.saveIfNeeded()
}

// obtain returns the tokens that the user entry has got meanwhile, from kubectl for example, else the provider's, and
// whether it asked the provider.
func (a *account) obtain(ctx context.Context) (fresh tokens, asked bool, err error) {
	if settings, err := a.config.Store.Load(); err == nil {
		a.useStored(tokensOf(settings))
	}
	a.mu.Lock()
	has, valid := a.held, a.lastsFor(renewBefore) && !a.forced
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

// finish records the result of a renewal, and returns what to call if there is another token.
func (a *account) finish(r *renewal, fresh tokens, asked bool, err error) (tell []func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running, r.err = nil, err
	a.forced = a.forced && !asked // not if the renewal only saved
	if err != nil {
		if fresh.refresh != "" && fresh.refresh != a.held.refresh {
			a.setTokens(tokens{a.held.id, fresh.refresh})
			a.unsaved = true
		}
		if !errors.Is(err, context.Canceled) {
			a.recordFailure(err)
		}
		return nil
	}
	switch {
	case fresh != a.held:
		a.setTokens(fresh)
		a.late = !a.lastsFor(renewBefore)
		a.unsaved = true
	case !a.lastsFor(0): // the API server has refused this one
		r.err = &fault.Login{Cause: fault.LoginExpired, Expired: Expiry(a.held.id)}
		a.recordFailure(r.err)
		return nil
	}
	if a.refusals == 0 {
		a.failures = 0
	}
	a.lastErr, a.backoffUntil = nil, time.Time{}
	for m := range a.members {
		if !r.awaited {
			break
		}
		tell = append(tell, m.renewed)
	}
	return tell
}

// recordFailure records a failure, and starts a pause in which the provider is not asked. mu is held.
func (a *account) recordFailure(err error) {
	a.lastErr, a.backoffUntil = err, time.Now().Add(min(firstBackoff<<min(a.failures, 8), maxBackoff))
	a.failures++
}

// useStored uses the tokens of a kubeconfig, unless they are older than those held.
func (a *account) useStored(found tokens) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found == a.held || found == (tokens{}) || slices.Contains(a.former, found) {
		return
	}
	a.setTokens(found)
	a.forced, a.unsaved = false, false
	a.refusals, a.failures, a.lastErr, a.backoffUntil = 0, 0, nil, time.Time{}
}

// setTokens replaces the tokens. mu is held.
func (a *account) setTokens(by tokens) {
	a.former = append(a.former, a.held)
	a.former = a.former[max(0, len(a.former)-maxFormer):]
	a.held, a.late = by, false
}

// saveIfNeeded saves unsaved tokens in the user entry. A refresh token may be valid for one use only.
func (a *account) saveIfNeeded() {
	a.saving.Lock()
	defer a.saving.Unlock()
	a.mu.Lock()
	has, unsaved := a.held, a.unsaved
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
	a.unsaved = a.unsaved && (err != nil || a.held != has)
	a.nextSave = time.Now().Add(saveInterval)
}

// recordRefusal records that the API server does not accept a token. It is renewed for that only if the clocks disagree
// about its expiry, as kubectl does not renew refused tokens.
func (a *account) recordRefusal(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held.id != token || !a.late {
		return
	}
	a.late = false
	if a.refusals++; a.refusals > 1 {
		a.recordFailure(&fault.Login{Cause: fault.LoginExpired, Expired: Expiry(token)})
	}
}

// recordAcceptance records that the API server accepts the token.
func (a *account) recordAcceptance() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals = 0
}

// forceRenewal makes the next login renew the token.
func (a *account) forceRenewal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forced = a.held.refresh != "" // else there is nothing to renew it with
	a.refusals, a.failures, a.backoffUntil = 0, 0, time.Time{}
}

// endBackoff ends the pause in which the provider is not asked.
func (a *account) endBackoff() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals, a.failures, a.backoffUntil = 0, 0, time.Time{}
}
