package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/kube/carrier"
)

const (
	// maxKept limits the first bytes that are kept to be sent again if the runtime reports that it never connected.
	maxKept = 64 << 10
	// maxRetries limits how often a connection is tried again after the endpoints that it was given are used up.
	maxRetries = 2
	// silenceTimeout is how long a session that owes an answer may be silent before its connections end.
	silenceTimeout = 15 * time.Second
	// maxAcceptTime is the same for a session that has not accepted the connection yet, though bytes were sent with it.
	maxAcceptTime = 9 * time.Second
	// goneTimeout is how long a Pod that is gone may take to answer a connection, or to end it.
	goneTimeout = time.Second
)

// A conn is a connection with a port of a Pod.
type conn struct {
	*connState
	reader
	writer
}

// A connState is what the reader and the writer of a connection share: its attempts, the bytes that may have to be sent
// again, and the times at which the reader has something to do.
type connState struct {
	pool *pool

	// opening is held while an attempt is opened or replaced, and, as long as it may still be replaced, while bytes to
	// be written are kept. It is taken before mu.
	opening   sync.Mutex
	proven    atomic.Bool   // the Pod has answered: the attempt is the last
	sentAt    atomic.Int64  // when something was last sent to the Pod after that, in Unix nanoseconds
	begun     chan struct{} // closed when the first attempt is opened
	beginOnce sync.Once     // closes begun
	// ctx ends with Close. It is kept because the connection dials again long after the context of its Dial has ended.
	ctx    context.Context
	cancel context.CancelFunc

	mu              sync.Mutex
	untried         []Endpoint
	renew           carrier.Renew // nil once it was called
	retried         int           // attempts after the endpoints were used up
	current         *attempt
	kept            []byte    // the first bytes, which may have to be sent again
	overflowed      bool      // more was written than is kept
	reason          error     // why there is no connection, as far as is known
	settled         bool      // more may be written than is kept: the attempt was accepted and not refused
	endErr          error     // why the connection has ended; nil while it has not
	deadline        time.Time // the one that the owner set for reads
	halfClosedAt    time.Time // when the client half-closed; zero if it has not
	halfClosePassed bool      // the half-close was passed on
	lastByteAt      time.Time // when the last byte came
	recheckAt       time.Time // when the reader has to check the timers again
}

func newConn(p *pool, endpoints []Endpoint, renew carrier.Renew) *conn {
	c := &connState{pool: p, untried: endpoints, renew: renew, begun: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return &conn{connState: c, reader: reader{conn: c}, writer: writer{c}}
}

// hasWritten reports whether the client has written anything.
func (c *connState) hasWritten() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overflowed || len(c.kept) > 0
}

// fail ends the connection with err, unless it has ended before. It returns the error that every later call returns.
func (c *connState) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endErr == nil {
		if errors.Is(err, io.EOF) {
			err = brokenOff{err}
		}
		c.endErr = err
	}
	return c.endErr
}

// A brokenOff is an error that wraps io.EOF, such as that of a session dial whose TLS handshake the API server ended.
// Readers must not take it for the orderly end of the connection that the session was for.
type brokenOff struct{ error }

// Is reports whether the error is target. It is io.ErrUnexpectedEOF and not io.EOF.
func (e brokenOff) Is(target error) bool {
	return target == io.ErrUnexpectedEOF || target != io.EOF && errors.Is(e.error, target)
}

// As finds what the error wraps.
func (e brokenOff) As(target any) bool { return errors.As(e.error, target) }

// CloseWrite passes the client's end on once the Pod has been quiet for Config.Quiet: container runtimes take it for
// the end of both directions, and would cut off what the Pod still sends.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endErr != nil {
		return c.endErr
	}
	if c.halfClosedAt.IsZero() {
		c.halfClosedAt = time.Now()
		c.recheckLocked()
	}
	return nil
}

// recheck makes the reader check the timers, the session and the Pod.
func (c *connState) recheck() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recheckLocked()
}

// recheckLocked is recheck with mu held.
func (c *connState) recheckLocked() {
	c.recheckAt = time.Time{}
	if c.current != nil && c.current.data != nil {
		c.current.data.SetReadDeadline(time.Unix(1, 0))
	}
}

// Close ends the connection.
func (c *conn) Close() error {
	c.mu.Lock()
	a := c.current
	c.current = nil
	if c.endErr == nil || a != nil {
		c.endErr = net.ErrClosed
	}
	requesting := a != nil && a.requesting
	c.mu.Unlock()
	c.cancel()
	if a != nil && !requesting {
		a.close()
	}
	return nil
}

// SetReadDeadline makes reads end with os.ErrDeadlineExceeded at t.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	c.recheckLocked()
	return nil
}

// SetWriteDeadline returns os.ErrNoDeadline: a write that is cut short would end the session.
func (c *conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// SetDeadline sets the read deadline, and returns os.ErrNoDeadline because writes have none.
func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return os.ErrNoDeadline
}

// LocalAddr returns a name in place of an address, since there is no address on this side.
func (c *conn) LocalAddr() net.Addr { return address("port-forward") }

// RemoteAddr returns the names of the Pod and the port.
func (c *conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return address("")
	}
	ep := c.current.ep
	return address(fmt.Sprintf("%s/%s:%d", ep.Namespace, ep.Pod, ep.Port))
}

type address string

func (address) Network() string  { return "pod" }
func (a address) String() string { return string(a) }
