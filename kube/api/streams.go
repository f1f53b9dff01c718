package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
	"fairlead/kube/retryafter"
)

// HeadersWithin bounds how long the API server may take to begin a watch. A proxy on the way that buffers whole answers
// exceeds it.
const HeadersWithin = 4 * time.Second

// Streams asks for watches, and questions that no client waits for. They run no credential plugin, and their outcomes are
// not reported to Health.
type Streams struct {
	api       *Client
	client    *http.Client
	transport *renewable // of client, below client-go's wrappers, which keep no connections
	conns     openConns
}

// newStreams returns Streams; it sends nothing. Where the API server speaks HTTP/2 all watches share one connection.
func newStreams(config *rest.Config, proxySource fault.ProxySource, l *Login, a *Client) (*Streams, error) {
	config = rest.CopyConfig(config)
	config.NextProtos = nil
	if config.Dial == nil {
		alive := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}
		config.Dial = (&net.Dialer{Timeout: HeadersWithin, KeepAliveConfig: alive}).DialContext
	}
	if _, err := throughProxy(config, proxySource); err != nil {
		return nil, err
	}
	s := &Streams{api: a}
	config.Dial = s.conns.recording(config.Dial)
	var err error
	if s.client, s.transport, err = l.client(config); err != nil {
		return nil, err
	}
	sendPings(s.transport)
	return s, nil
}

// LoggedIn reports whether there are credentials.
func (s *Streams) LoggedIn() bool { return s.api.Login.LoggedIn() }

// Close closes all connections, including those that are still being dialled.
func (s *Streams) Close() { s.conns.close() }

// openConns are the open connections that a dial function made. Closing the transport's idle connections is not enough when
// a watch has just ended: over HTTP/2 it counts as under way for a moment more, and its connection would be kept.
type openConns struct {
	mu     sync.Mutex
	open   map[*openConn]bool
	closed bool
}

type openConn struct {
	net.Conn
	of *openConns
}

func (c *openConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// recording returns a dial function that calls dial and adds its connections to o.
func (o *openConns) recording(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		recorded := &openConn{conn, o}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.closed {
			_ = conn.Close()
			return nil, net.ErrClosed
		}
		if o.open == nil {
			o.open = map[*openConn]bool{}
		}
		o.open[recorded] = true
		return recorded, nil
	}
}

func (o *openConns) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for c := range o.open {
		_ = c.Conn.Close()
	}
	clear(o.open)
}

// sendPings makes a transport find dead connections over HTTP/2 even if nothing is sent on them. Over HTTP/1.1 TCP's
// keep-alive probes do that.
func sendPings(t http.RoundTripper) {
	if base := baseTransport(t); base != nil {
		base.HTTP2 = &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 3 * time.Second}
	}
}

// baseTransport returns the transport that round trippers wrap; nil if it is of another type.
func baseTransport(t http.RoundTripper) *http.Transport {
	for {
		switch next := t.(type) {
		case *http.Transport:
			return next
		case utilnet.RoundTripperWrapper:
			t = next.WrappedRoundTripper()
		default:
			return nil
		}
	}
}

// errLoggedOut reports that there are no credentials, and that no plugin was run to get some.
var errLoggedOut = errors.New("logged out")

// AskUnattended asks a question for which no client waits, and reads the answer.
func AskUnattended[T any](ctx context.Context, s *Streams, q Question, read func(*jsonstream.Reader) T) (value T, err error) {
	if !s.LoggedIn() {
		return value, errLoggedOut
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return receive(ctx, s.api, s.client, q, read)
}

// Open asks a question whose answer continues until ctx ends, and returns the answer, which the caller reads and closes. If
// the answer does not begin within HeadersWithin, Open calls cancel, which has to end ctx.
func (s *Streams) Open(ctx context.Context, cancel context.CancelFunc, q Question) (io.ReadCloser, error) {
	if !s.LoggedIn() {
		return nil, errLoggedOut
	}
	late := time.AfterFunc(HeadersWithin, cancel)
	body, err := s.api.open(ctx, s.client, q)
	if !late.Stop() {
		if err == nil {
			body.Close()
		}
		return nil, context.DeadlineExceeded
	}
	return body, err
}

// Reader returns a reader of an answer that keeps to AnswerBounds.
func (s *Streams) Reader(body io.Reader) *jsonstream.Reader {
	return jsonstream.NewReader(body, AnswerBounds, s.api.budget)
}

// Reconnect closes the connection of ended watches. It waits a moment for those that end at the same time.
func (s *Streams) Reconnect(ctx context.Context) {
	retryafter.Wait(ctx, 100*time.Millisecond)
	utilnet.CloseIdleConnectionsFor(s.transport)
}

// IsLoggedOut reports whether err says that credentials are missing or were refused.
func IsLoggedOut(err error) bool { return errors.Is(err, errLoggedOut) || isUnauthorized(err) }

// IsTooOld reports whether err says that a watch cannot begin at its version: the API server no longer has the changes
// since then.
func IsTooOld(err error) bool { return AnsweredWith(err, http.StatusGone) }
