package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
)

// headersWithin bounds how long the API server may take to begin a watch. A proxy on the way that holds answers back until
// they are whole shows by it.
const headersWithin = 4 * time.Second

// sliceStreams asks for EndpointSlices when no client waits: its requests run no credential plugin, and say nothing of the
// API server's health.
type sliceStreams struct {
	client    rest.Interface
	transport *renewable // without client-go's wrappers, which keep no connections
	conns     openConns
	login     *login
}

// newSliceStreams makes the client; it sends nothing. With HTTP/2 its watches share one connection.
func newSliceStreams(config *rest.Config, proxySource fault.ProxySource, l *login) (*sliceStreams, error) {
	config = rest.CopyConfig(config)
	config.NextProtos = nil
	config.APIPath, config.GroupVersion = "/apis", &discoveryv1.SchemeGroupVersion
	if config.Dial == nil {
		alive := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}
		config.Dial = (&net.Dialer{Timeout: headersWithin, KeepAliveConfig: alive}).DialContext
	}
	if _, err := throughProxy(config, proxySource); err != nil {
		return nil, err
	}
	s := &sliceStreams{login: l}
	config.Dial = s.conns.dialer(config.Dial)
	base, err := l.transport(config)
	if err != nil {
		return nil, err
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		s.transport = newRenewable(*base, next)
		return boundedAnswers{s.transport} // a watch that brought so much ends, and goes on as another one
	})
	conf, err := l.transport(config)
	if err != nil {
		return nil, err
	}
	authorized, err := transport.New(conf)
	if err != nil {
		return nil, err
	}
	sendPings(s.transport)
	s.client, err = rest.RESTClientForConfigAndClient(config, newClient(authorized))
	return s, err
}

// close closes every connection, and those that are still being made.
func (s *sliceStreams) close() { s.conns.close() }

// openConns are the connections that a dial function made, as long as they are open. Idle ones cannot all be closed through
// their transport when a watch has just ended: over HTTP/2 it counts as under way for a moment more, and its connection
// would then be kept.
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

// dialer returns dial with its connections noted.
func (o *openConns) dialer(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		noted := &openConn{conn, o}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.closed {
			_ = conn.Close()
			return nil, net.ErrClosed
		}
		if o.open == nil {
			o.open = map[*openConn]bool{}
		}
		o.open[noted] = true
		return noted, nil
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

// sendPings has a transport find out that a connection is dead though nothing is sent on it, over HTTP/2. Over HTTP/1.1 the
// kernel does.
func sendPings(t http.RoundTripper) {
	for {
		switch under := t.(type) {
		case *http.Transport:
			under.HTTP2 = &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 3 * time.Second}
			return
		case utilnet.RoundTripperWrapper:
			t = under.WrappedRoundTripper()
		default:
			return
		}
	}
}

// errLoggedOut reports that there are no credentials, and that getting some is not worth running a plugin.
var errLoggedOut = errors.New("logged out")

// list returns the EndpointSlices of a Service.
func (s *sliceStreams) list(ctx context.Context, key serviceKey) (*discoveryv1.EndpointSliceList, error) {
	if !s.login.has() {
		return nil, errLoggedOut
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	answer := &discoveryv1.EndpointSliceList{}
	return answer, slicesOf(s.client.Get(), key.namespace, key.name).Param("limit", maxItems).MaxRetries(0).Do(ctx).Into(answer)
}

// watch begins a watch of the EndpointSlices of a Service from a version on. It lives until ctx ends or it is stopped.
func (s *sliceStreams) watch(ctx context.Context, key serviceKey, version string) (apiwatch.Interface, error) {
	if !s.login.has() {
		return nil, errLoggedOut
	}
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(headersWithin, cancel)
	w, err := slicesOf(s.client.Get(), key.namespace, key.name).MaxRetries(0).
		Param("watch", "true").Param("resourceVersion", version).Param("allowWatchBookmarks", "true").Watch(ctx)
	if !late.Stop() {
		if err == nil {
			w.Stop()
		}
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &sliceWatch{w, cancel}, nil
}

// A sliceWatch is a watch with the request that carries it.
type sliceWatch struct {
	apiwatch.Interface
	end context.CancelFunc
}

func (w *sliceWatch) Stop() {
	w.end()
	w.Interface.Stop()
}

// reconnect lets go of the connection that ended watches had. It waits for those that end at the same time.
func (s *sliceStreams) reconnect(ctx context.Context) {
	sleep(ctx, 100*time.Millisecond)
	utilnet.CloseIdleConnectionsFor(s.transport)
}

// isLoggedOut reports whether credentials are missing, or were refused.
func isLoggedOut(err error) bool { return errors.Is(err, errLoggedOut) || isUnauthorized(err) }

// isTooOld reports whether a watch cannot begin at its version: the API server knows what changed since then no more.
func isTooOld(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }
