package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/proxy/http1"
	"fairlead/proxy/stream"
)

// finHold is how long an HTTP client that ended its direction while a request is under way is believed to wait for the
// answer. net/http would give the request up at once, and a client may well send a request and then its FIN.
const finHold = 2 * time.Second

// An httpClient is one client connection in the hands of net/http, and what it has open towards its targets. Target
// connections are kept for the client's next request but never for another client: a server may have tied what it
// knows of a user to the connection.
type httpClient struct {
	*stream.Peeked
	conn     *connection
	requests requestReader
	done     chan struct{} // net/http is through with the connection

	doneOnce sync.Once
	tunnel   *request // what the connection goes on as; set before done

	mutex     sync.Mutex
	unblocked chan struct{}
	targets   map[*httpTargetConn]struct{}
	finished  bool
	config    *Config
	pooled    *http.Transport
	unpooled  *http.Transport
}

func newHTTPClient(c *connection, client *stream.Peeked) *httpClient {
	h := &httpClient{
		Peeked:    client,
		conn:      c,
		done:      make(chan struct{}),
		unblocked: make(chan struct{}, 1),
		targets:   make(map[*httpTargetConn]struct{}),
	}
	h.requests.client = h
	return h
}

// release ends net/http's part; with a request the connection goes on as a tunnel.
func (c *httpClient) release(tunnel *request) {
	c.doneOnce.Do(func() {
		c.tunnel = tunnel
		close(c.done)
	})
}

// Close is called by net/http when it is through.
func (c *httpClient) Close() error {
	c.unblock()
	err := c.Peeked.Close()
	c.release(nil)
	return err
}

// Read reads the client's requests for net/http, one at a time.
func (c *httpClient) Read(p []byte) (int, error) { return c.requests.Read(p) }

// limitHead bounds the wait for the rest of a request's head. Net/http, which waits for its first bytes, sets another
// deadline when it has it all.
func (c *httpClient) limitHead() {
	_ = c.Peeked.SetReadDeadline(time.Now().Add(c.conn.config.Handshake)) // fails only on a closed connection
}

// hold keeps a read waiting until a deadline ends it, which net/http sets when the request has been served. It returns
// false when the client is cut first, or after finHold if the wait is bounded.
func (c *httpClient) hold(bounded bool) bool {
	var expired <-chan time.Time
	if bounded {
		timer := time.NewTimer(finHold)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-c.unblocked:
		return true
	case <-c.conn.cut.Done():
		return false
	case <-expired:
		return false
	}
}

// SetReadDeadline interrupts a held read when the deadline has passed.
func (c *httpClient) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		c.unblock()
	} else {
		select {
		case <-c.unblocked:
		default:
		}
	}
	return c.Peeked.SetReadDeadline(t)
}

func (c *httpClient) unblock() {
	select {
	case c.unblocked <- struct{}{}:
	default:
	}
}

// transports returns the ways to send a request under config: on a connection that may have been used before, and on a
// new one that is closed afterwards.
func (c *httpClient) transports(config *Config) (pooled, unpooled *http.Transport) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.config != config {
		if c.pooled != nil {
			c.pooled.CloseIdleConnections() // made by rules that hold no more
		}
		c.config = config
		c.pooled, c.unpooled = newTransport(c), newTransport(c)
		c.unpooled.DisableKeepAlives = true
	}
	return c.pooled, c.unpooled
}

// own registers a connection to a target. It returns nil, and closes the connection, when the client is done.
func (c *httpClient) own(conn net.Conn) *httpTargetConn {
	t := &httpTargetConn{Conn: conn, client: c}
	t.head.Large = &c.conn.server.largeHeads
	c.mutex.Lock()
	finished := c.finished
	if !finished {
		c.targets[t] = struct{}{}
	}
	c.mutex.Unlock()
	if finished {
		_ = conn.Close()
		return nil
	}
	return t
}

// closeTargets closes what is open towards targets, except for one that became part of a tunnel.
func (c *httpClient) closeTargets() {
	c.mutex.Lock()
	c.finished = true
	var open []*httpTargetConn
	for t := range c.targets {
		if c.tunnel == nil || c.tunnel.upgraded == nil || c.tunnel.upgraded.target != t {
			open = append(open, t)
		}
	}
	c.mutex.Unlock()
	for _, t := range open {
		_ = t.Close()
	}
}

// An httpTargetConn is a connection to a target that belongs to one client and counts its bytes there.
type httpTargetConn struct {
	net.Conn
	client *httpClient
	single atomic.Bool            // it carries one request, and no tunnel
	deaf   atomic.Bool            // the target takes no more of that request
	line   string                 // the target of the request that net/http writes next
	heard  atomic.Int64           // bytes of what answers it
	begins atomic.Pointer[[]byte] // the first bytes that ever came
	failed atomic.Pointer[error]
	head   http1.ResponseMeter
	large  atomic.Pointer[string] // what is wrong with a head that is too large
}

func (t *httpTargetConn) Read(p []byte) (n int, err error) {
	defer t.recovered(&err)
	if t.large.Load() != nil {
		return 0, errLargeResponse // again: net/http may have ignored it
	}
	if t.deaf.Load() {
		_ = t.Conn.SetReadDeadline(time.Now().Add(deafGrace)) // fails only on a closed connection, as the read does
	}
	n, err = t.Conn.Read(p)
	t.listen(p[:n])
	t.heard.Add(int64(n))
	t.client.conn.meter.addReceived(n)
	if wrong := t.head.Count(p[:n]); wrong != "" {
		t.large.Store(&wrong)
		return min(n, 1), errLargeResponse // with nothing, net/http would take the connection for one closed while idle
	}
	t.fail(err)
	return n, err
}

// Write takes the rest of a request for a target that takes no more: it may have answered already, and net/http would
// lose the answer with an error here. How its direction ends says what it meant.
func (t *httpTargetConn) Write(p []byte) (n int, err error) {
	defer t.recovered(&err)
	if t.deaf.Load() {
		return len(p), nil
	}
	out := p
	if t.line != "" {
		if out, err = http1.WithTarget(p, t.line); err != nil {
			return 0, err
		}
		t.line = ""
	}
	n, err = t.client.conn.meter.send(t.Conn, out)
	if err == nil {
		return len(p), nil
	}
	t.fail(err)
	n = min(n, len(p))
	if t.single.Load() && !errors.Is(err, net.ErrClosed) {
		t.deaf.Store(true)
		_ = t.Conn.SetReadDeadline(time.Now().Add(deafGrace))
		return len(p), nil
	}
	return n, err
}

// fail notes the first error of the connection.
func (t *httpTargetConn) fail(err error) {
	if err != nil {
		t.failed.CompareAndSwap(nil, &err)
	}
}

// failure returns the first error of the connection, which is what ended it.
func (t *httpTargetConn) failure() error {
	if err := t.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// carry prepares the connection for the next request.
func (t *httpTargetConn) carry(target string) {
	t.line = target
	t.heard.Store(0)
	t.head.Begin()
}

// recovered turns a panic of the connection into an error: in the goroutines of a transport it would end the process.
func (t *httpTargetConn) recovered(err *error) {
	if p := recover(); p != nil {
		c := t.client.conn
		c.config.Log.Error().Uint64("conn", c.id).Any("panic", p).Bytes("stack", debug.Stack()).Msg("connection panicked")
		*err = errors.New("internal error of the connection")
	}
}

// CloseWrite ends the direction towards the target.
func (t *httpTargetConn) CloseWrite() error { return stream.CloseWrite(t.Conn) }

// SetLinger is TCP's, where the connection has it: a reset is made with it.
func (t *httpTargetConn) SetLinger(seconds int) error { return stream.SetLinger(t.Conn, seconds) }

// Close also forgets the connection.
func (t *httpTargetConn) Close() error {
	t.client.mutex.Lock()
	delete(t.client.targets, t)
	t.client.mutex.Unlock()
	t.head.Close()
	return t.Conn.Close()
}

// dial is the transports' way to a target. It ends with the request for which it is: net/http would let it go on.
func (c *httpClient) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	x := ctx.Value(exchangeKey{}).(*exchange)
	ctx, expire := context.WithTimeout(x.ctx, x.record.config.Dial)
	defer expire()
	var conn net.Conn
	var err error
	if x.via != nil {
		conn, err = x.route.dialForward(ctx, x.record, x.via)
	} else {
		conn, err = x.route.dial(ctx, x.record, x.target)
	}
	if err == nil && x.site != nil && x.site.TLS {
		if conn, err = x.secure(ctx, conn); x.isPlain(err) {
			conn, err = x.route.dial(ctx, x.record, x.target)
		}
	}
	if err != nil {
		x.carried.Store(nil) // net/http gave that one up
		return nil, err
	}
	owned := c.own(conn)
	if owned == nil {
		return nil, ErrClientLeft
	}
	owned.single.Store(x.single)
	x.dialled.Store(owned)
	return owned, nil
}
