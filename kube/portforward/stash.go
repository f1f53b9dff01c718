package portforward

import (
	"net"
	"sync"
	"time"
)

const (
	// stashSize is how many connections wait that are not yet bound to a Pod.
	stashSize = 2
	// stashAge is how long one may wait: API servers drop a connection that says nothing for about 30 s.
	stashAge = 20 * time.Second
)

// A stash keeps connections to the API server on which nothing was asked yet, so that a session with a new Pod saves the
// round trips of TCP and TLS.
type stash struct {
	mu     sync.Mutex
	closed bool
	waits  []stashed
}

type stashed struct {
	conn  net.Conn
	who   identity
	since time.Time
}

// take gives the newest connection that is fresh, or nil.
func (s *stash) take(now time.Time) (net.Conn, identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	if len(s.waits) == 0 {
		return nil, identity{}
	}
	last := s.waits[len(s.waits)-1]
	s.waits = s.waits[:len(s.waits)-1]
	return last.conn, last.who
}

func (s *stash) put(conn net.Conn, who identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.waits) >= stashSize {
		conn.Close() // of no use
		return
	}
	s.waits = append(s.waits, stashed{conn: conn, who: who, since: time.Now()})
}

// room says how many connections are missing, after those that waited too long are gone.
func (s *stash) room(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	return stashSize - len(s.waits)
}

// expire closes what waited too long, by the wall clock: a machine that slept has lost its connections.
func (s *stash) expire(now time.Time) {
	fresh := s.waits[:0]
	for _, w := range s.waits {
		if now.Round(0).Sub(w.since.Round(0)) < stashAge {
			fresh = append(fresh, w)
			continue
		}
		w.conn.Close() // of no more use
	}
	s.waits = fresh
}

// drop closes what is waiting, of other credentials than who.
func (s *stash) drop(keep func(identity) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.waits[:0]
	for _, w := range s.waits {
		if keep(w.who) {
			kept = append(kept, w)
			continue
		}
		w.conn.Close() // of no more use
	}
	s.waits = kept
}

func (s *stash) close() {
	s.drop(func(identity) bool { return false })
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}
