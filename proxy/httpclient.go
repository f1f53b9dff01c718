package proxy

import (
	"sync"
	"time"

	"fairlead/proxy/stream"
)

// finHold is how long a client that ended its direction during a request is assumed to wait for the answer. Net/http
// would cancel the request immediately, but a client may send a request and then its FIN.
const finHold = 2 * time.Second

// An httpClient is one client connection that net/http serves.
type httpClient struct {
	*stream.Peeked
	conn     *connection
	requests requestReader
	targets  httpTargets
	done     chan struct{} // closed when net/http is done with the connection

	doneOnce sync.Once
	tunnel   *request // the tunnel that the connection becomes, if any; set before done is closed

	unblocked chan struct{}
}

func newHTTPClient(c *connection, client *stream.Peeked) *httpClient {
	h := &httpClient{
		Peeked:    client,
		conn:      c,
		done:      make(chan struct{}),
		unblocked: make(chan struct{}, 1),
		targets:   httpTargets{conn: c, open: map[*httpTargetConn]struct{}{}},
	}
	h.requests.client = h
	return h
}

// release ends net/http's part. If tunnel is not nil, the connection becomes that tunnel.
func (c *httpClient) release(tunnel *request) {
	c.doneOnce.Do(func() {
		c.tunnel = tunnel
		close(c.done)
	})
}

// Close is called by net/http when it is done.
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
