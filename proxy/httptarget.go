package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/proxy/http1"
	"fairlead/proxy/stream"
	"fairlead/proxy/upstream"
)

// httpTargets are the connections of one HTTP client to its targets. They are kept for the client's next request but
// never for another client: a server may have tied what it knows of a user to the connection.
type httpTargets struct {
	conn *connection // the client's

	mutex    sync.Mutex
	open     map[*httpTargetConn]struct{}
	finished bool
	config   *Config
	pooled   *http.Transport
	unpooled *http.Transport
}

// transports returns the ways to send a request under config: on a connection that may have been used before, and on a
// new one that is closed afterwards.
func (t *httpTargets) transports(config *Config) (pooled, unpooled *http.Transport) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.config != config {
		if t.pooled != nil {
			t.pooled.CloseIdleConnections() // made by the previous rules
		}
		t.config = config
		t.pooled, t.unpooled = t.newTransport(), t.newTransport()
		t.unpooled.DisableKeepAlives = true
	}
	return t.pooled, t.unpooled
}

func (t *httpTargets) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            t.dial,
		Proxy:                  forwardProxy,
		DisableCompression:     true,
		MaxIdleConns:           2,
		IdleConnTimeout:        poolIdle,
		ExpectContinueTimeout:  continueWait,
		MaxResponseHeaderBytes: 2 * http1.MaxHeader, // an http1.ResponseMeter is stricter
		WriteBufferSize:        4 << 10,
		ReadBufferSize:         4 << 10,
	}
}

// forwardProxy returns the proxy that a request is for, in the form for a transport, whose dial has already performed
// the TLS handshake.
func forwardProxy(r *http.Request) (*url.URL, error) {
	via := r.Context().Value(exchangeKey{}).(*exchange).via
	if via == nil {
		return nil, nil
	}
	return &url.URL{Scheme: "http", Host: upstream.Address(via), User: via.User}, nil
}

// dial connects to the target of a request. It ends with that request, because net/http would let it continue.
func (t *httpTargets) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	x := ctx.Value(exchangeKey{}).(*exchange)
	ctx, expire := context.WithTimeout(x.ctx, x.record.config.DialTimeout)
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
		x.carried.Store(nil) // net/http has given that connection up
		return nil, err
	}
	owned := t.own(conn)
	if owned == nil {
		return nil, ErrClientLeft
	}
	owned.single.Store(x.single)
	x.dialled.Store(owned)
	return owned, nil
}

// own registers a connection to a target. It returns nil, and closes the connection, when the client is done.
func (t *httpTargets) own(conn net.Conn) *httpTargetConn {
	made := &httpTargetConn{Conn: conn, owner: t}
	made.head.Large = &t.conn.server.largeHeads
	t.mutex.Lock()
	finished := t.finished
	if !finished {
		t.open[made] = struct{}{}
	}
	t.mutex.Unlock()
	if finished {
		_ = conn.Close()
		return nil
	}
	return made
}

// close closes what is open, except for the connection of the tunnel, if any.
func (t *httpTargets) close(tunnel *request) {
	t.mutex.Lock()
	t.finished = true
	var open []*httpTargetConn
	for conn := range t.open {
		if tunnel == nil || tunnel.upgraded == nil || tunnel.upgraded.target != conn {
			open = append(open, conn)
		}
	}
	t.mutex.Unlock()
	for _, conn := range open {
		_ = conn.Close()
	}
}

func (t *httpTargets) forget(conn *httpTargetConn) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	delete(t.open, conn)
}

// An httpTargetConn is a connection to a target that belongs to one client and counts its bytes there.
type httpTargetConn struct {
	net.Conn
	owner  *httpTargets
	single atomic.Bool            // it carries one request, and no other
	deaf   atomic.Bool            // the target reads no more of that request
	line   string                 // the target of the request that net/http writes next
	heard  atomic.Int64           // bytes of the answer to it
	begins atomic.Pointer[[]byte] // the first bytes from the target
	failed atomic.Pointer[error]
	head   http1.ResponseMeter
	large  atomic.Pointer[string] // what is wrong with a head that is too large
}

func (t *httpTargetConn) Read(p []byte) (n int, err error) {
	defer t.recovered(&err)
	if t.large.Load() != nil {
		return 0, errLargeResponse // net/http may have ignored the first one
	}
	if t.deaf.Load() {
		_ = t.Conn.SetReadDeadline(time.Now().Add(deafGrace)) // fails only on a closed connection, as the read does
	}
	n, err = t.Conn.Read(p)
	t.keepBeginning(p[:n])
	t.heard.Add(int64(n))
	t.owner.conn.meter.addReceived(n)
	if wrong := t.head.Count(p[:n]); wrong != "" {
		t.large.Store(&wrong)
		return min(n, 1), errLargeResponse // with nothing, net/http would take the connection for one closed while idle
	}
	t.fail(err)
	return n, err
}

// Write writes to the target. Once the target reads no more, the rest of a request is dropped without an error: the
// target may have answered already, and on an error net/http would lose the answer. How the target ends its own
// direction decides whether the request has failed.
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
	n, err = t.owner.conn.meter.send(t.Conn, out)
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

// fail records the first error of the connection.
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
		c := t.owner.conn
		c.config.Log.Error().Uint64("conn", c.id).Any("panic", p).Bytes("stack", debug.Stack()).Msg("connection panicked")
		*err = errors.New("internal error of the connection")
	}
}

// CloseWrite ends the direction towards the target.
func (t *httpTargetConn) CloseWrite() error { return stream.CloseWrite(t.Conn) }

// SetLinger sets SO_LINGER if the connection is TCP. stream.Reset needs it.
func (t *httpTargetConn) SetLinger(seconds int) error { return stream.SetLinger(t.Conn, seconds) }

// Close also forgets the connection.
func (t *httpTargetConn) Close() error {
	t.owner.forget(t)
	t.head.Close()
	return t.Conn.Close()
}
