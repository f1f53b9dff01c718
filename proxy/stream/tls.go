package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// TLS is a TLS connection that can be reset. A reset closes the underlying connection without the close_notify alert,
// which would make it look like an orderly end.
type TLS struct {
	*tls.Conn
	// Abrupt makes Close skip the close_notify alert. Sending it would block if the peer has stopped reading.
	Abrupt bool

	below  net.Conn
	cut    atomic.Bool
	closed atomic.Bool
}

// NewTLS returns a TLS that wraps secured, whose underlying connection is below.
func NewTLS(secured *tls.Conn, below net.Conn) *TLS { return &TLS{Conn: secured, below: below} }

// Read reads what the peer sent. After Close it returns net.ErrClosed in place of io.EOF, even if the peer answers Close
// with an orderly end of its own.
func (c *TLS) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) && c.closed.Load() {
		err = net.ErrClosed
	}
	return n, err
}

// SetLinger with 0 seconds makes the next Close a reset.
func (c *TLS) SetLinger(seconds int) error {
	c.cut.Store(seconds == 0)
	return SetLinger(c.below, seconds)
}

// Close ends the connection.
func (c *TLS) Close() error {
	c.closed.Store(true)
	if c.Abrupt || c.cut.Load() {
		return c.below.Close()
	}
	return c.Conn.Close()
}
