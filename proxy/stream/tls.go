package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// TLS is a connection inside TLS. A reset of it is one of the connection below, without the alert that would make it look
// like an orderly end.
type TLS struct {
	*tls.Conn
	// Abrupt makes Close leave out the alert that ends TLS in good order, and that a peer which has stopped reading would
	// keep waiting.
	Abrupt bool

	below  net.Conn
	cut    atomic.Bool
	closed atomic.Bool
}

// NewTLS returns the connection inside TLS that secured is over below.
func NewTLS(secured *tls.Conn, below net.Conn) *TLS { return &TLS{Conn: secured, below: below} }

// Read reads what the peer sent. The peer may answer Close with an orderly end: a Read that waits then takes it for the
// close that it is.
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
