package konnectivity

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"fairlead/proxy/stream"
)

// A conn is a connection that an agent made. It has no half-close: the server ends both directions when one ends, and drops
// what the target still sends. So the end of the client's direction is held back until the target has been quiet.
type conn struct {
	net.Conn
	carrier *Carrier
	ahead   *readAhead

	mu     sync.Mutex
	ending *time.Timer // nil before CloseWrite
	heard  time.Time   // when the target last sent something, after CloseWrite
	closed bool
}

// Read reads what the target sent.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.ahead.Read(p)
	if n > 0 {
		c.mu.Lock()
		if c.ending != nil {
			c.heard = time.Now()
		}
		c.mu.Unlock()
	}
	return n, err
}

// Write sends to the target.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	ended := c.ending != nil
	c.mu.Unlock()
	if ended {
		return 0, &net.OpError{Op: "write", Net: "konnectivity", Err: os.NewSyscallError("write", syscall.EPIPE)}
	}
	return c.Conn.Write(p)
}

// CloseWrite ends the client's direction, and with it the connection, once the target has sent nothing for Config.Quiet.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if c.ending == nil {
		c.heard = time.Now()
		c.ending = time.AfterFunc(c.carrier.quiet, c.end)
	}
	return nil
}

// end passes the end on, unless the target has sent something recently. Under TLS that writes, so the lock is not held
// then.
func (c *conn) end() {
	if c.beginEnd() {
		defer c.carrier.tasks.Done()
		_ = stream.CloseWrite(c.Conn) // then the server ends the other direction, too
	}
}

// beginEnd reports whether the target has sent nothing for Config.Quiet. If so, the Carrier waits for end, otherwise end runs
// again once that can be so. Run closes the connection before it waits, so nothing is added later.
func (c *conn) beginEnd() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	rest := c.carrier.quiet - time.Since(c.heard)
	if rest > 0 {
		c.ending.Reset(rest)
		return false
	}
	c.carrier.tasks.Add(1)
	return true
}

// pump reads what the target sends, until the connection ends.
func (c *conn) pump() {
	if c.ahead.fill(c.Conn) {
		c.carrier.log.Warn().Dur("unread", stalledFor).Msg("connection reset: unread data held up the others")
		stream.Reset(c.Conn)
	}
}

// SetDeadline sets the deadline of reads and writes.
func (c *conn) SetDeadline(t time.Time) error {
	c.ahead.setDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of reads.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.ahead.setDeadline(t)
	return nil
}

// SetLinger with 0 seconds makes the next Close a reset, towards the server.
func (c *conn) SetLinger(seconds int) error { return stream.SetLinger(c.Conn, seconds) }

// Close ends the connection.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	if c.ending != nil {
		c.ending.Stop()
	}
	c.mu.Unlock()
	c.carrier.forget(c)
	c.ahead.close()
	return c.Conn.Close()
}
