package proxy

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead/proxy/peer"
	"fairlead/proxy/stream"
)

// ErrTooMany is what a client over Config.Connections is told. It wraps syscall.EMFILE.
var ErrTooMany = fmt.Errorf("too many connections are open through this proxy: %w", syscall.EMFILE)

// Connections over the limit: so many more are asked what they want and told that it cannot be had, each in so short a
// time; those over that are closed.
const (
	surplusClients   = 64
	surplusHandshake = 2 * time.Second
)

// burstPause is the least time between two log lines about the same kind of trouble.
const burstPause = 10 * time.Second

// A gate counts the clients of a Server, and keeps the log short about those that may not pass.
type gate struct {
	places  places
	evicted atomic.Int64 // clients that gave way and that no line has counted yet
	guesses guesses

	strangers, surplus, unauth, unwanted, hidden, crowded burst
}

// enter decides whether a client is served at all, and takes a place for it when it is. Nothing has been read from it yet.
func (c *connection) enter(conn net.Conn) bool {
	gate, log := &c.server.gate, c.config.Log
	if c.config.Peer != nil {
		if err := peer.Check(conn, c.config.Peer); err != nil {
			if n, ok := gate.strangers.admit(time.Now()); ok {
				log.Warn().Err(err).Stringer("client", conn.RemoteAddr()).Int("others", n).Msg("client turned away")
			}
			stream.Reset(conn)
			return false
		}
	}
	c.place = c.await(conn)
	c.sayEvicted()
	switch {
	case c.place != nil && !c.place.surplus:
		return true
	case c.place == nil && c.stopping.Err() != nil:
		stream.Reset(conn)
		return false
	}
	if c.full == nil {
		c.full = ErrTooMany
		if n, ok := gate.surplus.admit(time.Now()); ok {
			log.Warn().Int("limit", c.config.Connections).Int("others", n).Msg("too many connections")
		}
	}
	if c.place == nil {
		stream.Reset(conn)
		return false
	}
	c.surplus = true
	return true
}

// A burst lets the first of many alike pass, and then one each burstPause. The zero value is ready.
type burst struct {
	mutex sync.Mutex
	last  time.Time
	held  int
}

// admit tells whether this one passes, and how many did not since the last that did.
func (b *burst) admit(now time.Time) (held int, ok bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.last.IsZero() && now.Sub(b.last) < burstPause {
		b.held++
		return 0, false
	}
	held, b.held, b.last = b.held, 0, now
	return held, true
}
