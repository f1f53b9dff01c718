package portforward

import (
	"net"
	"sync"
	"time"
)

const (
	// maxUnbound limits how many connections wait that are not yet bound to a Pod.
	maxUnbound = 2
	// maxUnboundAge is how long such a connection may wait: API servers drop a silent connection after about 30 s.
	maxUnboundAge = 20 * time.Second
)

// An unboundConns holds connections to the API server on which nothing was requested yet, so that a session with a new
// Pod saves the round trips of TCP and TLS.
type unboundConns struct {
	mu     sync.Mutex
	closed bool
	conns  []unboundConn
}

type unboundConn struct {
	conn     net.Conn
	identity identity
	since    time.Time
}

// take returns the newest fresh connection, or nil.
func (s *unboundConns) take(now time.Time) (net.Conn, identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	if len(s.conns) == 0 {
		return nil, identity{}
	}
	last := s.conns[len(s.conns)-1]
	s.conns = s.conns[:len(s.conns)-1]
	return last.conn, last.identity
}

// put adds a connection, or closes it if there are enough.
func (s *unboundConns) put(conn net.Conn, id identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxUnbound {
		conn.Close()
		return
	}
	s.conns = append(s.conns, unboundConn{conn: conn, identity: id, since: time.Now()})
}

// missing returns how many connections are missing. It first closes those that waited too long.
func (s *unboundConns) missing(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	return maxUnbound - len(s.conns)
}

// expire closes connections that waited too long, by the wall clock: a machine that slept has lost its connections.
func (s *unboundConns) expire(now time.Time) {
	fresh := s.conns[:0]
	for _, w := range s.conns {
		if now.Round(0).Sub(w.since.Round(0)) < maxUnboundAge {
			fresh = append(fresh, w)
			continue
		}
		w.conn.Close()
	}
	s.conns = fresh
}

// keepOnly closes the connections of identities that keep reports false for.
func (s *unboundConns) keepOnly(keep func(identity) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.conns[:0]
	for _, w := range s.conns {
		if keep(w.identity) {
			kept = append(kept, w)
			continue
		}
		w.conn.Close()
	}
	s.conns = kept
}

// dropAll closes all connections.
func (s *unboundConns) dropAll() { s.keepOnly(func(identity) bool { return false }) }

func (s *unboundConns) close() {
	s.dropAll()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}
