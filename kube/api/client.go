// Package api is the client of a context's API server: who logs in and how, which proxy is on the way, whether the server is there,
// and questions whose answers are read within bounds. What is asked, and what the answers mean, is package kube's.
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
	attemptTimeout = 4 * time.Second  // then a connection that died unseen is given up, and another one made
	RequestTimeout = 10 * time.Second // for both attempts
	MaxItems       = "100"            // EndpointSlices hold 100 endpoints each, or up to 1000
	longestPause   = 20 * time.Second // that Retry-After is obeyed for
	MaxQuestions   = 32               // at a time: each has a connection of its own
)

// AnswerBounds are those of one answer: many times what is asked for in a large cluster.
var AnswerBounds = jsonstream.Bounds{Bytes: 64 << 20, Elements: 50_000, Memory: 12 << 20}

// maxTogether bounds the memory that all the answers take that are read at a time, in bytes.
const maxTogether = 16 << 20

// A Client asks the API server of one context. What it answers may be of any size and come from
// anybody: it is read as a stream, see package jsonstream, and never as the objects that client-go has for it.
type Client struct {
	base    *url.URL
	client  *http.Client
	Streams *Streams
	budget  *jsonstream.Budget // of the answers that are read at a time

	transport      *renewable   // below all that client-go wraps around it, which keeps no connections
	unknown        *renewable   // the same for anonymous
	anonymous      *http.Client // without credentials, so that it never runs a plugin
	ready          string       // URL that tells whether the API server is there
	ForwardProxy   proxyFor
	ProxySource    fault.ProxySource // where the configuration's proxy is set
	Faults         Faults
	refreshes      bool // credentials are fetched anew after a 401
	Login          *Login
	Health         *Health
	Authority      *Authority
	doubted        chan struct{} // holds a value after somebody doubted that the API server answers
	log            zerolog.Logger
	AttemptTimeout time.Duration // of the first of two attempts of a question
	Asked          atomic.Uint64 // how many questions were asked
	turns          chan struct{} // holds a value for each question under way
}

// A Config describes the route to an API server, and the login there.
type Config struct {
	REST    *rest.Config // New changes it: the login is taken out, the proxy put in
	Context string       // the context's name, for errors
	// Proxy replaces the proxy of REST and of the environment, unless it is nil. NoProxy connects directly.
	Proxy   *url.URL
	NoProxy bool
	// Own reports whether a proxy of this program listens at an address; the environment's is not used then. It may be nil.
	Own func(netip.AddrPort) bool
	// Approved reports whether the user has let a credential plugin run, by its hash. Nil lets all run.
	Approved func(hash string) bool
	Log      zerolog.Logger
}

// New returns a Client that reports to h. It sends nothing.
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
		turns:          make(chan struct{}, MaxQuestions),
		doubted:        make(chan struct{}, 1),
		budget:         jsonstream.NewBudget(maxTogether),
		log:            c.Log,
	}
	config := rest.CopyConfig(c.REST)
	// With HTTP/2 all questions share one connection, and after a laptop's sleep they all wait for the same dead one.
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
	if a.unknown, err = anonymous(config); err != nil {
		return nil, err
	}
	a.anonymous = newClient(a.unknown)
	a.ready = a.base.JoinPath("readyz").String()
	return a, nil
}

// client makes a client with a configuration's credentials, and returns what is below all that client-go wraps around it.
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

// anonymous makes a round tripper without credentials.
func anonymous(config *rest.Config) (*renewable, error) {
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

// Trust makes new connections trust the certificates in pem alone.
func (a *Client) Trust(pem []byte) error {
	return errors.Join(a.transport.trust(pem), a.unknown.trust(pem), a.Streams.transport.trust(pem))
}

// ErrAbsent is the API server's 404: what was asked for by name is not there.
var ErrAbsent = errors.New("not in the cluster")

// Ask asks a question and reads the answer with read. Its error is a fault or ErrAbsent, and Health observes it.
func Ask[T any](ctx context.Context, a *Client, q Question, read func(*jsonstream.Reader) T) (T, error) {
	var none T
	if err := a.Login.Ensure(ctx); err != nil {
		a.Health.observe(err)
		return none, err
	}
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	patient, cancel := context.WithTimeout(ctx, longestPause)
	defer cancel()
	a.Asked.Add(1)
	for tries := 1; ; tries++ {
		value, pause, err := askOnce(ctx, a, q, read)
		if pause == 0 || tries == retryafter.Tries || !retryafter.Wait(patient, pause) {
			a.Health.observe(err)
			return value, err
		}
	}
}

// askOnce asks one question, and returns the pause that its answer asks for before the next.
func askOnce[T any](ctx context.Context, a *Client, q Question, read func(*jsonstream.Reader) T) (T, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	value, err := send(ctx, a, q, read)
	if busy, ok := errors.AsType[*StatusError](err); ok && busy.after > 0 {
		return value, busy.after, &fault.Unreachable{Server: a.Faults.Server, Err: &fault.Busy{Status: busy.sent, After: busy.after}}
	}
	return value, 0, a.Login.Explain(a.Faults.of(err, q))
}

// send asks one question, twice where the first attempt says nothing about the API server: on a connection that died
// unseen, and with credentials that have been fetched anew meanwhile.
func send[T any](ctx context.Context, a *Client, q Question, read func(*jsonstream.Reader) T) (T, error) {
	attempt, cancelAttempt := context.WithTimeout(ctx, a.AttemptTimeout)
	value, err := receive(attempt, a, a.client, q, read)
	timedOut := attempt.Err() != nil
	cancelAttempt()
	if ctx.Err() == nil && (timedOut && err != nil || fault.Ended(err) || a.refreshes && isUnauthorized(err)) {
		a.CloseIdle()
		if err := a.Login.Ensure(ctx); err != nil {
			return value, err
		}
		return receive(ctx, a, a.client, q, read)
	}
	return value, err
}

// receive asks one question by a client, and reads the answer.
func receive[T any](ctx context.Context, a *Client, client *http.Client, q Question, read func(*jsonstream.Reader) T) (value T, err error) {
	body, err := a.put(ctx, client, q)
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

// put puts a question by a client, and returns the answer to be read and closed. A *statusError is what the server said in
// place of an answer.
func (a *Client) put(ctx context.Context, client *http.Client, q Question) (io.ReadCloser, error) {
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
	if payload != nil {
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

// Probe asks whether the API server is there, without credentials. It is if something that has its certificate answers, even
// that the user is unknown, and does not report that nothing is behind it. The error is a *fault.Unreachable.
func (a *Client) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.AttemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.ready, nil)
	if err != nil {
		return a.Faults.of(err, Question{})
	}
	response, err := a.anonymous.Do(request)
	if err != nil {
		utilnet.CloseIdleConnectionsFor(a.anonymous.Transport)
		return a.Faults.of(err, Question{})
	}
	response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError {
		return &fault.Unreachable{Server: a.Faults.Server, Err: fmt.Errorf("it answered %d", response.StatusCode)}
	}
	return nil
}

// CloseIdle lets go of the connections that are kept for the next question.
func (a *Client) CloseIdle() {
	utilnet.CloseIdleConnectionsFor(a.transport)
	utilnet.CloseIdleConnectionsFor(a.unknown)
	utilnet.CloseIdleConnectionsFor(a.Streams.transport)
}

// Version asks for the API server's version, which everybody who is logged in may, as a rule; empty where one may not.
func (a *Client) Version(ctx context.Context) (string, error) {
	if err := a.Login.Ensure(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	q := Question{Verb: "get", Resource: "/version"}
	version, err := receive(ctx, a, a.client, q, readVersion)
	err = a.Login.Explain(a.Faults.of(err, q))
	a.Health.observe(err)
	if IsForbidden(err) {
		return "", nil
	}
	return version, err
}
