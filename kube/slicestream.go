package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
)

// headersWithin bounds how long the API server may take to begin a watch. A proxy on the way that holds answers back until
// they are whole shows by it.
const headersWithin = 4 * time.Second

// sliceStreams asks for EndpointSlices when no client waits: its requests run no credential plugin, and say nothing of the
// API server's health.
type sliceStreams struct {
	api       *api
	client    *http.Client
	transport *renewable // without client-go's wrappers, which keep no connections
	conns     openConns
}

// newSliceStreams makes the client; it sends nothing. With HTTP/2 its watches share one connection.
func newSliceStreams(config *rest.Config, proxySource fault.ProxySource, l *login, a *api) (*sliceStreams, error) {
	config = rest.CopyConfig(config)
	config.NextProtos = nil
	if config.Dial == nil {
		alive := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}
		config.Dial = (&net.Dialer{Timeout: headersWithin, KeepAliveConfig: alive}).DialContext
	}
	if _, err := throughProxy(config, proxySource); err != nil {
		return nil, err
	}
	s := &sliceStreams{api: a}
	config.Dial = s.conns.dialer(config.Dial)
	var err error
	if s.client, s.transport, err = l.client(config); err != nil {
		return nil, err
	}
	sendPings(s.transport)
	return s, nil
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
	if under := under(t); under != nil {
		under.HTTP2 = &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 3 * time.Second}
	}
}

// under returns the transport that round trippers wrap; nil when it is of another kind.
func under(t http.RoundTripper) *http.Transport {
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

// errLoggedOut reports that there are no credentials, and that getting some is not worth running a plugin.
var errLoggedOut = errors.New("logged out")

// list returns the EndpointSlices of a Service.
func (s *sliceStreams) list(ctx context.Context, key serviceKey) (endpointSet, error) {
	if !s.api.login.has() {
		return endpointSet{}, errLoggedOut
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return receive(ctx, s.api, s.client, slicesOf("list", key).with("limit", maxItems), readSlices(key.namespace))
}

// watch begins a watch of the EndpointSlices of a Service from a version on. It lives until ctx ends or it is stopped.
func (s *sliceStreams) watch(ctx context.Context, key serviceKey, version string) (*sliceWatch, error) {
	if !s.api.login.has() {
		return nil, errLoggedOut
	}
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(headersWithin, cancel)
	q := slicesOf("watch", key).with("watch", "true").with("resourceVersion", version).with("allowWatchBookmarks", "true")
	body, err := s.api.put(ctx, s.client, q)
	if !late.Stop() {
		if err == nil {
			body.Close()
		}
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, err
	}
	w := &sliceWatch{events: make(chan sliceEvent), cancel: cancel}
	w.reading.Go(func() {
		defer close(w.events)
		defer body.Close()
		w.err = w.read(ctx, jsonstream.NewReader(body, bounds, s.api.budget), key.namespace)
	})
	return w, nil
}

// A sliceEvent is a change of an EndpointSlice. The error is the API server's, in place of one.
type sliceEvent struct {
	kind  string // "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
	slice endpointSlice
	err   error
}

// A sliceWatch is a watch with the request that carries it.
type sliceWatch struct {
	events  chan sliceEvent // closed when the watch has ended
	err     error           // why; to be read after that
	cancel  context.CancelFunc
	reading sync.WaitGroup
}

// stop ends the watch and waits for its end.
func (w *sliceWatch) stop() {
	w.cancel()
	w.reading.Wait()
}

// read reads events until the watch ends. One that brought as much as an answer may have ends, and goes on as another one.
func (w *sliceWatch) read(ctx context.Context, r *jsonstream.Reader, namespace string) error {
	defer r.Close()
	for r.Next() {
		event := readEvent(r, namespace)
		if r.Err() != nil {
			break
		}
		select {
		case w.events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.Err()
}

// readEvent reads one event of a watch. What its object is may be said after it: the fields of a slice and of a Status have
// different names.
func readEvent(r *jsonstream.Reader, namespace string) (e sliceEvent) {
	var status statusError
	var kind string
	readSlice := readSlice(namespace)
	r.Object(func(key string) {
		switch key {
		case "type":
			e.kind = r.Text(maxName)
		case "object":
			r.Object(func(key string) {
				if key == "kind" {
					kind = r.Text(maxName)
					return
				}
				readSlice(r, &e.slice, key)
				readStatus(r, &status, key)
			})
		}
	})
	switch {
	case e.kind == "ERROR" && kind == "Status":
		e.err = &status
	case e.kind == "ERROR" || kind != "EndpointSlice":
		r.Reject()
	}
	return e
}

// reconnect lets go of the connection that ended watches had. It waits for those that end at the same time.
func (s *sliceStreams) reconnect(ctx context.Context) {
	sleep(ctx, 100*time.Millisecond)
	utilnet.CloseIdleConnectionsFor(s.transport)
}

// isLoggedOut reports whether credentials are missing, or were refused.
func isLoggedOut(err error) bool { return errors.Is(err, errLoggedOut) || isUnauthorized(err) }

// isTooOld reports whether a watch cannot begin at its version: the API server knows what changed since then no more.
func isTooOld(err error) bool { return answeredWith(err, http.StatusGone) }
