// Package oidc logs in with the ID token of an OpenID Connect provider, for user entries of a kubeconfig that have an
// auth-provider called oidc, and renews the token as such an entry says.
//
// client-go does that, too, whenever a request is sent. It waits for the provider without a limit, whatever the
// request's context says, reads answers of any size, and follows redirects with the refresh token and the client
// secret. Here only Login asks the provider, for a connection that a client waits for. Requests use the current token,
// and fail with a *fault.Login if there is none.
//
//	Login → one renewal at a time   account.go
//	      → the provider            provider.go
//	Wrap → requests                 oidc.go
//
// Contexts that share a user entry share its tokens.
package oidc

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fairlead/kube/bearer"
	"fairlead/kube/fault"
)

// Config configures a context's login.
type Config struct {
	Settings map[string]string // the user entry's auth-provider.config
	Store    Store
	Context  string // the kubeconfig context's name, for errors
	// Proxy returns the forward proxy on the route to the provider. Nil means that there is none.
	Proxy func(*http.Request) (*url.URL, error)
	Log   zerolog.Logger
}

// A Store has the settings of one user entry.
type Store interface {
	Name() string // differs for each entry
	Load() (settings map[string]string, err error)
	Save(changes map[string]string) error
}

// The settings, as kubectl calls them. Scopes (extra-scopes) are not sent when a token is renewed.
const (
	keyIssuer        = "idp-issuer-url"
	keyClient        = "client-id"
	keySecret        = "client-secret"
	keyAuthority     = "idp-certificate-authority"
	keyAuthorityData = "idp-certificate-authority-data"
	keyID            = "id-token"
	keyRefresh       = "refresh-token"
)

// A Login is one context's login.
type Login struct {
	config   Config
	provider *provider
	account  atomic.Pointer[account] // between Begin and its end
}

// New returns a Login. It returns an error if the settings are not usable. It sends nothing.
func New(c Config) (*Login, error) {
	p, err := newProvider(c.Settings, c.Proxy)
	if err != nil {
		return nil, err
	}
	return &Login{config: c, provider: p}, nil
}

// Begin allows renewals of the token until the returned function is called, which ends a renewal that no other context
// waits for. It does not wait for the provider. renewed is called, from any goroutine, when there is another token.
func (l *Login) Begin(renewed func()) (end func()) {
	a, leave := join(l.config, l.provider, renewed)
	l.account.Store(a)
	return func() {
		l.account.Store(nil)
		leave()
	}
}

// Login ensures that there is a token that has not expired, and renews it if need be, which takes 10 seconds at most.
// After a failure the provider is not asked for a while, in which Login fails with the same error.
//
// Errors are *fault.Login, *fault.Machine, ctx's, and net.ErrClosed outside of Begin and its end.
func (l *Login) Login(ctx context.Context) error {
	a := l.account.Load()
	if a == nil {
		return net.ErrClosed
	}
	return l.withContext(a.login(ctx))
}

// LoggedIn reports whether there is a token that has not expired, so that Login would not ask the provider.
func (l *Login) LoggedIn() bool {
	a := l.account.Load()
	if a == nil {
		return false
	}
	_, err := a.current()
	return err == nil
}

// Expires returns when the token expires; zero if there is none, or it does not say.
func (l *Login) Expires() time.Time {
	if a := l.account.Load(); a != nil {
		return a.expires()
	}
	return Expiry(l.config.Settings[keyID])
}

// Forget makes the next Login renew the token, even if it has not expired.
func (l *Login) Forget() {
	if a := l.account.Load(); a != nil {
		a.forceRenewal()
	}
}

// Retry lets the next Login ask the provider, even after failures.
func (l *Login) Retry() {
	if a := l.account.Load(); a != nil {
		a.endBackoff()
	}
}

// Refused returns the error of a token that the API server does not accept.
func (l *Login) Refused() error {
	if at := l.Expires(); !at.IsZero() && at.Before(time.Now()) {
		return l.withContext(&fault.Login{Cause: fault.LoginExpired, Expired: at})
	}
	return l.withContext(&fault.Login{})
}

// withContext adds the context to an account's error.
func (l *Login) withContext(err error) error {
	login, ok := errors.AsType[*fault.Login](err)
	if !ok {
		return err
	}
	named := *login
	named.Context = l.config.Context
	return &named
}

// Wrap returns a round tripper that adds the token to requests. It never asks the provider.
func (l *Login) Wrap(next http.RoundTripper) http.RoundTripper {
	return &bearer.Transport{Next: next, Current: func() (string, func(bearer.Outcome), error) {
		a := l.account.Load()
		if a == nil {
			return "", nil, net.ErrClosed
		}
		token, err := a.current()
		if err != nil {
			return "", nil, l.withContext(err)
		}
		return token, func(o bearer.Outcome) {
			switch {
			case o.Refused:
				a.recordRefusal(token)
			case o.Accepted:
				a.recordAcceptance()
			}
		}, nil
	}}
}
