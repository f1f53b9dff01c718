package proxy

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"fairlead/proxy/admission"
	"fairlead/proxy/peer"
	"fairlead/proxy/stream"
)

// ErrTooMany is what a client over Config.Connections is told. It wraps syscall.EMFILE.
var ErrTooMany = fmt.Errorf("too many connections are open through this proxy: %w", syscall.EMFILE)

// surplusHandshake is how long a client over the limit may take to ask what it wants, to be told that it cannot be had.
const surplusHandshake = 2 * time.Second

// errGaveWay is a client that was cut before it was admitted.
var errGaveWay = errors.New("cut before it had asked for anything it may have: too many other clients did the same")

// maxEntering is how many connections are accepted that have no place yet. Others wait in the listener's queue.
const maxEntering = 16

// A gate counts the clients of a Server, and keeps the log short about those that may not pass.
type gate struct {
	admission.Gate
	guesses admission.Guesses

	strangers, surplus, unauth, unwanted, hidden, crowded admission.Burst
}

// enter decides whether a client is served at all, and takes a place for it when it is. Nothing has been read from it yet.
func (c *connection) enter(conn net.Conn) bool {
	gate, log := &c.server.gate, c.config.Log
	if c.config.Peer != nil {
		if err := peer.Check(conn, c.config.Peer); err != nil {
			if n, ok := gate.strangers.Admit(time.Now()); ok {
				log.Warn().Err(err).Stringer("client", conn.RemoteAddr()).Int("others", n).Msg("client turned away")
			}
			stream.Reset(conn)
			return false
		}
	}
	c.place = gate.Await(c.stopping.Done(), conn, c.config.Connections, c.full != nil)
	c.sayEvicted()
	switch {
	case c.place != nil && !c.place.Surplus:
		return true
	case c.place == nil && c.stopping.Err() != nil:
		stream.Reset(conn)
		return false
	}
	if c.full == nil {
		c.full = ErrTooMany
		if n, ok := gate.surplus.Admit(time.Now()); ok {
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

// sayEvicted logs now and then how many clients gave way.
func (c *connection) sayEvicted() {
	gate := &c.server.gate
	if gate.Evicted.Load() == 0 {
		return
	}
	if _, ok := gate.crowded.Admit(time.Now()); ok {
		c.config.Log.Warn().Int64("clients", gate.Evicted.Swap(0)).Msg("cut clients that had not asked for anything yet, to serve others")
	}
}
