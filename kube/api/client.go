// Package api is the client of a context's API server. It handles the login, the proxy on the way and the server's health,
// and reads the answers to questions within bounds. Package kube decides what is asked, and what the answers mean.
package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
	"fairlead/kube/retryafter"
)

// The bounds of one question to the API server.
const (
	attemptTimeout = 4 * time.Second  // the connection may be dead; the next attempt uses another one
	RequestTimeout = 10 * time.Second // for both attempts
	MaxItems       = "100"            // EndpointSlices hold 100 endpoints each, or up to 1000
	longestPause   = 20 * time.Second // in all, that Retry-After is obeyed
	MaxQuestions   = 32               // at a time; each has its own connection
)

// AnswerBounds are the bounds of one answer. They are many times what a large cluster needs.
var AnswerBounds = jsonstream.Bounds{Bytes: 64 << 20, Elements: 50_000, Memory: 12 << 20}

// maxTogether bounds the memory of all answers that are being read, in bytes.
const maxTogether = 16 << 20

// A Client asks the API server of one context. Answers may be of any size and from any source, so they are read as
// streams, see package jsonstream, and never as the objects of client-go.
type Client struct {
	base    *url.URL
	client  *http.Client
	Streams *Streams
	budget  *jsonstream.Budget // of all answers that are being read

	transport      *renewable   // of client, below client-go's wrappers, which keep no connections
	anonymous      *http.Client // without credentials, so that it never runs a plugin
	bare           *renewable   // the transport of anonymous
	ready          string       // the URL that Probe gets
	ForwardProxy   proxyFor
	ProxySource    fault.ProxySource // where the configuration's proxy is set
	Faults         Faults
	refreshes      bool // after a 401 there may be other credentials
	Login          *Login
	Health         *Health
	Authority      *Authority
	doubted        chan struct{} // holds a value after a call of Doubt
	log            zerolog.Logger
	AttemptTimeout time.Duration // of the first of two attempts of a question
	Asked          atomic.Uint64 // the number of questions asked
	slots          chan struct{} // holds a value for each question under way
}

// A Config describes the route to an API server, and the login there.
type Config struct {
	REST    *rest.Config // New changes it: it takes out the login and puts in the proxy
	Context string       // the context's name, for errors
	// Proxy replaces the proxy of REST and of the environment, unless it is nil. NoProxy connects directly.
	Proxy   *url.URL
	NoProxy bool
	// Own reports whether a proxy of this program listens at an address. If the environment's proxy does, it is not used.
	// Own may be nil.
	Own func(netip.AddrPort) bool
	// Approved reports whether the user has approved a credential plugin, by its hash. If it is nil, all are approved.
	Approved func(hash string) bool
	Log      zerolog.Logger
}

// New returns a Client that reports the outcomes of its questions to h. It sends nothing.
func New(c Config, h *Health) (*Client, error) {
	source := chooseProxy(c.REST, c)
	l, err := newLogin(c.REST, c)
	if err != nil {
		return nil, err
	}
	throughEnvironment(c.REST, c.Own)
	a := &Client{
		Faults:         newFaults(c.REST, c.Context),
		refreshes:      l.renewer != nil || l.file != nil,
		Login:          l,
		Health:         h,
		ProxySource:    source,
		Authority:      authorityOf(c.REST),
		AttemptTimeout: attemptTimeout,
		slots:          make(chan struct{}, MaxQuestions),
		doubted:        make(chan struct{}, 1),
		budget:         jsonstream.NewBudget(maxTogether),
		log:            c.Log,
	}
	config := rest.CopyConfig(c.REST)
	// With HTTP/2 all questions would share one connection, and after a laptop's sleep all would wait for the dead one.
	config.NextProtos = []string{"http/1.1"}
	if a.base, _, err = rest.DefaultServerUrlFor(config); err != nil {
		return nil, err
	}
	if a.Streams, err = newStreams(config, source, l, a); err != nil {
		return nil, err
	}
	if a.ForwardProxy, err = throughProxy(config, source); err != nil {
		return nil, err
	}
	if a.client, a.transport, err = l.client(config); err != nil {
		return nil, err
	}
	if a.bare, err = withoutCredentials(config); err != nil {
		return nil, err
	}
	a.anonymous = newClient(a.bare)
	a.ready = a.base.JoinPath("readyz").String()
	return a, nil
}

// client returns a client with a configuration's credentials, and its transport below client-go's wrappers.
func (l *Login) client(config *rest.Config) (*http.Client, *renewable, error) {
	base, err := l.transport(config)
	if err != nil {
		return nil, nil, err
	}
	var below *renewable
	config.WrapTransport = transport.Wrappers(func(next http.RoundTripper) http.RoundTripper {
		below = newRenewable(*base, next)
		return below
	}, config.WrapTransport)
	conf, err := l.transport(config)
	if err != nil {
		return nil, nil, err
	}
	authorized, err := transport.New(conf)
	if err != nil {
		return nil, nil, err
	}
	return newClient(authorized), below, nil
}

// withoutCredentials returns a round tripper for a configuration without its credentials.
func withoutCredentials(config *rest.Config) (*renewable, error) {
	conf, err := rest.AnonymousClientConfig(config).TransportConfig()
	if err != nil {
		return nil, err
	}
	next, err := transport.New(conf)
	if err != nil {
		return nil, err
	}
	return newRenewable(*conf, next), nil
}

// Trust makes new connections trust only the certificates in pem.
func (a *Client) Trust(pem []byte) error {
	return errors.Join(a.transport.trust(pem), a.bare.trust(pem), a.Streams.transport.trust(pem))
}

// ErrAbsent reports that the named object does not exist: the API server answered 404.
var ErrAbsent = errors.New("not in the cluster")

// Ask asks a question and reads the answer with read. Its error is a fault or ErrAbsent, and is reported to Health.
func Ask[T any](ctx context.Context, a *Client, q Question, read func(*jsonstream.Reader) T) (T, error) {
	var none T
	if err := a.Login.Ensure(ctx); err != nil {
		a.Health.observe(err)
		return none, err
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	pausing, cancel := context.WithTimeout(ctx, longestPause)
	defer cancel()
	a.Asked.Add(1)
	for tries := 1; ; tries++ {
		value, pause, err := askOnce(ctx, a, q, read)
		if pause == 0 || tries == retryafter.Tries || !retryafter.Wait(pausing, pause) {
			a.Health.observe(err)
			return value, err
		}
	}
}

// askOnce asks a question once, and returns the pause that the API server asks for before the next try.
func askOnce[T any](ctx context.Context, a *Client, q Question, read func(*jsonstream.Reader) T) (T, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	value, err := send(ctx, a, q, read)
	if busy, ok := errors.AsType[*StatusError](err); ok && busy.after > 0 {
		return value, busy.after, &fault.Unreachable{Server: a.Faults.Server, Err: &fault.Busy{Status: busy.httpCode, After: busy.after}}
	}
	return value, 0, a.Login.Explain(a.Faults.from(err, q))
}

// send asks a question, and asks it again where the first attempt says nothing about the API server: its connection was
// dead, or there may be other credentials by now.
func send[T any](ctx context.Context, a *Client, q Question, read func(*jsonstream.Reader) T) (T, error) {
	attempt, cancelAttempt := context.WithTimeout(ctx, a.AttemptTimeout)
	value, err := receive(attempt, a, a.client, q, read)
	timedOut := attempt.Err() != nil
	cancelAttempt()
	if ctx.Err() == nil && (timedOut && err != nil || fault.Ended(err) || a.refreshes && lacksCredentials(err)) {
		a.CloseIdle()
		if err := a.Login.Ensure(ctx); err != nil {
			return value, err
		}
		return receive(ctx, a, a.client, q, read)
	}
	return value, err
}

// lacksCredentials reports whether the API server refused the credentials of an attempt, or they were dropped before it was
// sent, because another question's were refused.
func lacksCredentials(err error) bool {
	return isUnauthorized(err) || errors.As(err, new(*fault.Login))
}

// receive asks a question over client and reads the answer, in one attempt.
func receive[T any](ctx context.Context, a *Client, client *http.Client, q Question, read func(*jsonstream.Reader) T) (value T, err error) {
	body, err := a.open(ctx, client, q)
	if err != nil {
		return value, err
	}
	defer body.Close()
	r := jsonstream.NewReader(body, AnswerBounds, a.budget)
	defer r.Close()
	if value = read(r); r.End() != nil {
		var none T
		return none, r.Err()
	}
	return value, nil
}

// open asks a question over client, and returns the answer, which the caller reads and closes. If the API server refused
// the question, the error is a *StatusError.
func (a *Client) open(ctx context.Context, client *http.Client, q Question) (io.ReadCloser, error) {
	path, err := q.path()
	if err != nil {
		return nil, err
	}
	payload, err := q.payload()
	if err != nil {
		return nil, err
	}
	to := a.base.JoinPath(path...)
	to.RawQuery = q.query.Encode()
	method := http.MethodGet
	switch {
	case q.Verb == "delete":
		method = http.MethodDelete
	case payload != nil:
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if payload != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < http.StatusOK || response.StatusCode > http.StatusPartialContent {
		defer response.Body.Close()
		return nil, readRefusal(response)
	}
	return response.Body, nil
}

// Probe finds out whether the API server can be reached, without credentials. Any answer under the server's certificate
// counts, even 401, except a 5xx: that may come from a load balancer with nothing behind it. The error is a
// *fault.Unreachable.
func (a *Client) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.AttemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.ready, nil)
	if err != nil {
		return a.Faults.from(err, Question{})
	}
	response, err := a.anonymous.Do(request)
	if err != nil {
		utilnet.CloseIdleConnectionsFor(a.anonymous.Transport)
		return a.Faults.from(err, Question{})
	}
	response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError {
		return &fault.Unreachable{Server: a.Faults.Server, Err: fmt.Errorf("it answered %d", response.StatusCode)}
	}
	return nil
}

// CloseIdle closes the connections that are kept for the next question.
func (a *Client) CloseIdle() {
	utilnet.CloseIdleConnectionsFor(a.transport)
	utilnet.CloseIdleConnectionsFor(a.bare)
	utilnet.CloseIdleConnectionsFor(a.Streams.transport)
}

// Version returns the API server's version, or "" if the user may not see it. By default every logged-in user may.
func (a *Client) Version(ctx context.Context) (string, error) {
	if err := a.Login.Ensure(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	q := Question{Verb: "get", Resource: "/version"}
	version, err := receive(ctx, a, a.client, q, readVersion)
	err = a.Login.Explain(a.Faults.from(err, q))
	a.Health.observe(err)
	if IsForbidden(err) {
		return "", nil
	}
	return version, err
}
