package kubelet

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// session is one port-forward session: a connection from the API server that carries streams.
type session struct {
	pod  podName
	conn *freezable
}

// connectionKey is the key of a request's connection in its context.
type connectionKey struct{}

func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// connectionOf returns the connection below TLS that a request arrived on.
func connectionOf(r *http.Request) (*freezable, bool) {
	outer, ok := r.Context().Value(connectionKey{}).(*tls.Conn)
	if !ok {
		return nil, false
	}
	conn, ok := outer.NetConn().(*freezable)
	return conn, ok
}

// open counts a session as open; the caller calls the returned function when the session has ended.
func (k *Kubelet) open(s *session, p *pod, protocol int) func() {
	k.counts.sessions[protocol].Add(1)
	p.counts.sessions[protocol].Add(1)
	p.counts.sessionsOpen.Add(1)
	k.mu.Lock()
	k.sessions[s] = struct{}{}
	s.conn.freeze(k.faults.isFrozen(s.pod))
	k.mu.Unlock()
	return func() {
		p.counts.sessionsOpen.Add(-1)
		k.mu.Lock()
		delete(k.sessions, s)
		k.mu.Unlock()
	}
}

func (k *Kubelet) dropSessions(chosen func(*session) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.sessions {
		if chosen(s) {
			s.conn.Close()
		}
	}
}

// freezableListener accepts connections that can be frozen.
type freezableListener struct{ net.Listener }

// Accept returns the next connection.
func (l *freezableListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &freezable{Conn: conn, closed: make(chan struct{})}, nil
}

// freezable is a connection that can be stopped from transferring bytes without being closed.
type freezable struct {
	net.Conn
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	thawed chan struct{} // nil unless frozen
}

func (c *freezable) freeze(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case on && c.thawed == nil:
		c.thawed = make(chan struct{})
	case !on && c.thawed != nil:
		close(c.thawed)
		c.thawed = nil
	}
}

func (c *freezable) wait() {
	c.mu.Lock()
	thawed := c.thawed
	c.mu.Unlock()
	if thawed == nil {
		return
	}
	select {
	case <-thawed:
	case <-c.closed:
	}
}

// Read reads from the connection; it holds back what arrives while the connection is frozen.
func (c *freezable) Read(p []byte) (int, error) {
	c.wait()
	n, err := c.Conn.Read(p)
	c.wait()
	return n, err
}

// Write writes to the connection, once it is not frozen.
func (c *freezable) Write(p []byte) (int, error) {
	c.wait()
	return c.Conn.Write(p)
}

// Close closes the connection, frozen or not.
func (c *freezable) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
