package capture

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// A Conn is a connection that a client has asked for. Until Accept, Read waits and Write fails.
type Conn struct {
	net           *Net
	id            stack.TransportEndpointID
	local, remote netip.AddrPort

	mutex    sync.Mutex
	request  *tcp.ForwarderRequest // nil once it is answered
	conn     *gonet.TCPConn        // nil until it is accepted
	endpoint tcpip.Endpoint
	closed   bool
	abort    bool
	deadline time.Time     // of reads before it is accepted
	changed  chan struct{} // is closed, and replaced, when one of the above changes
}

func newConn(n *Net, r *tcp.ForwarderRequest) *Conn {
	id := r.ID()
	return &Conn{
		net: n, id: id, request: r, changed: make(chan struct{}),
		local: addrPort(id.LocalAddress, id.LocalPort), remote: addrPort(id.RemoteAddress, id.RemotePort),
	}
}

func addrPort(a tcpip.Address, port uint16) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(a.AsSlice()) // 4 or 16 bytes
	return netip.AddrPortFrom(addr, port)
}

// Accept completes the client's connect. It returns an error if the client has left.
func (c *Conn) Accept() error {
	request := c.take()
	if request == nil {
		return net.ErrClosed
	}
	var queue waiter.Queue
	endpoint, err := request.CreateEndpoint(&queue)
	request.Complete(false)
	c.net.forget(c.id)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	defer c.signal()
	if err != nil {
		c.closed = true
		return &net.OpError{Op: "accept", Net: "tcp", Source: c.RemoteAddr(), Addr: c.LocalAddr(), Err: net.ErrClosed}
	}
	if c.closed {
		endpoint.Abort()
		return net.ErrClosed
	}
	endpoint.SocketOptions().SetKeepAlive(false)
	endpoint.SocketOptions().SetDelayOption(false)
	c.conn, c.endpoint = gonet.NewTCPConn(&queue, endpoint), endpoint
	return c.conn.SetReadDeadline(c.deadline)
}

// Refuse ends the client's connect: with ECONNREFUSED if refused is set, or else with EHOSTUNREACH. It does nothing to a
// connection that is answered already.
func (c *Conn) Refuse(refused bool) {
	request := c.take()
	if request == nil {
		return
	}
	quoted := c.net.forget(c.id)
	if !refused {
		c.net.link.send(unreachable(quoted, hostUnreachable))
	}
	request.Complete(refused)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.closed = true
	c.signal()
}

// take returns the request, once.
func (c *Conn) take() *tcp.ForwarderRequest {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	request := c.request
	c.request = nil
	return request
}

// signal wakes the callers that wait for the connection. The caller holds the mutex.
func (c *Conn) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	conn, err := c.await()
	if err != nil {
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	}
	return conn.Read(p)
}

// await returns the connection once it is accepted.
func (c *Conn) await() (*gonet.TCPConn, error) {
	for {
		c.mutex.Lock()
		conn, closed, deadline, changed := c.conn, c.closed, c.deadline, c.changed
		c.mutex.Unlock()
		var expired <-chan time.Time
		switch {
		case conn != nil:
			return conn, nil
		case closed:
			return nil, net.ErrClosed
		case !deadline.IsZero():
			left := time.Until(deadline)
			if left <= 0 {
				return nil, os.ErrDeadlineExceeded
			}
			timer := time.NewTimer(left)
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-changed:
		case <-expired:
		}
	}
}

// established returns the connection if it is accepted, or nil.
func (c *Conn) established() *gonet.TCPConn {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.conn
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	if conn := c.established(); conn != nil {
		return conn.Write(p)
	}
	return 0, net.ErrClosed
}

// CloseWrite ends the direction to the client.
func (c *Conn) CloseWrite() error {
	if conn := c.established(); conn != nil {
		return conn.CloseWrite()
	}
	return net.ErrClosed
}

// SetLinger makes Close reset the connection if seconds is 0. Other values change nothing.
func (c *Conn) SetLinger(seconds int) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.abort = seconds == 0
	return nil
}

// Close implements net.Conn. It refuses a connection that is not answered, as unreachable.
func (c *Conn) Close() error {
	c.Refuse(false)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	conn, closed := c.conn, c.closed
	c.closed = true
	c.signal()
	switch {
	case closed || conn == nil:
		return nil
	case c.abort:
		c.endpoint.Abort()
		return nil
	}
	return conn.Close()
}

// Departed reports whether the client's program has closed its connection, and not only ended its direction.
func (c *Conn) Departed() bool {
	departed := c.net.config.Departed
	return departed != nil && departed(c.remote, c.local)
}

// LocalAddr returns the address that the client connects to.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr returns the client's own address.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.conn != nil {
		return c.conn.SetReadDeadline(t)
	}
	c.deadline = t
	c.signal()
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if conn := c.established(); conn != nil {
		return conn.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
