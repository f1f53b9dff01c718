package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrTooMany is what a client over Config.Connections is told. It wraps syscall.EMFILE.
var ErrTooMany = fmt.Errorf("too many connections are open through this proxy: %w", syscall.EMFILE)

// errNoAddress is a listener whose connections have no address that Config.Peer could judge.
var errNoAddress = errors.New("the client has no TCP address")

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
	clients                                      atomic.Int64
	strangers, surplus, unauth, unwanted, hidden burst
}

func (g *gate) leave() { g.clients.Add(-1) }

// enter decides whether a client is served at all; leave must follow when it is. Nothing has been read from it yet.
func (c *connection) enter(conn net.Conn) bool {
	gate, log := &c.server.gate, c.config.Log
	if c.config.Peer != nil {
		if err := c.judgePeer(conn); err != nil {
			if n, ok := gate.strangers.admit(time.Now()); ok {
				log.Warn().Err(err).Stringer("client", conn.RemoteAddr()).Int("others", n).Msg("client turned away")
			}
			reset(conn)
			return false
		}
	}
	clients, limit := gate.clients.Add(1), int64(c.config.Connections)
	switch {
	case c.full != nil:
		c.surplus = true
		return true
	case clients <= limit:
		return true
	}
	c.full = ErrTooMany
	if n, ok := gate.surplus.admit(time.Now()); ok {
		log.Warn().Int64("limit", limit).Int("others", n).Msg("too many connections")
	}
	if c.surplus = clients <= limit+surplusClients; !c.surplus {
		gate.leave()
		reset(conn)
	}
	return c.surplus
}

func (c *connection) judgePeer(conn net.Conn) error {
	client, ok := conn.RemoteAddr().(*net.TCPAddr)
	local, ok2 := conn.LocalAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return errNoAddress
	}
	return c.config.Peer(client.AddrPort(), local.AddrPort())
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
