package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
)

// secure leads the TLS handshake with an https proxy.
func (d Dialer) secure(ctx context.Context, conn net.Conn, via Proxy) (net.Conn, error) {
	config := &tls.Config{}
	if via.TLS != nil {
		config = via.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = via.URL.Hostname()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	secured := &secureConn{Conn: tls.Client(conn, config), raw: conn, abrupt: d.Abrupt}
	return secured, secured.HandshakeContext(ctx)
}

// A secureConn is a connection with an https proxy.
type secureConn struct {
	*tls.Conn
	raw    net.Conn
	abrupt bool
	cut    atomic.Bool
	closed atomic.Bool
}

// Read reads what the proxy sent. The proxy may answer Close with an orderly end: a Read that waits must not take that for
// the target's.
func (c *secureConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF && c.closed.Load() {
		err = net.ErrClosed
	}
	return n, err
}

// SetLinger with 0 seconds makes the next Close a reset, without the alert that would make it look like an orderly end.
func (c *secureConn) SetLinger(seconds int) error {
	c.cut.Store(seconds == 0)
	if raw, ok := c.raw.(interface{ SetLinger(int) error }); ok {
		return raw.SetLinger(seconds)
	}
	return nil
}

// Close ends the connection.
func (c *secureConn) Close() error {
	c.closed.Store(true)
	if c.abrupt || c.cut.Load() {
		return c.raw.Close()
	}
	return c.Conn.Close()
}
