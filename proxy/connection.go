package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"fairlead/proxy/admission"
	"fairlead/proxy/peer"
	"fairlead/proxy/stream"
)

// connection is a client's connection, from accept to close.
type connection struct {
	*serving
	id      uint64
	config  *Config
	meter   *meter
	conn    net.Conn
	cut     context.Context // the connection is cut when it ends, for its cause
	uncut   func() bool
	place   *admission.Place // nil if the client is turned away
	done    func()           // called when the connection has ended
	surplus bool             // the request is read, and refused with full
	full    error            // not nil if there are already Config.MaxConnections, or no file descriptors for more
}

// whyCut returns why the connection was cut, or nil if it was not.
func (c *connection) whyCut() error {
	if c.ending.Err() != nil {
		return context.Cause(c.ending) // which ends a moment before the batches do
	}
	return context.Cause(c.cut)
}

// serve serves conn and closes it; it resets conn when cut ends. If full is not nil, the client's request is only read,
// and refused with it. serve calls entered once the connection has been admitted or turned away, and done once the
// connection has ended, which may be after serve has returned.
func (v *serving) serve(conn net.Conn, full error, cut context.Context, entered, done func()) {
	c := &connection{
		serving: v, id: v.server.ids.Add(1), config: v.server.config.Load(),
		meter: &meter{serving: v}, conn: conn, cut: cut, done: done, full: full,
	}
	handedOver := false
	defer func() {
		if !handedOver {
			c.end()
		}
	}()
	defer c.survive()
	if !c.entered(conn, entered) {
		return
	}
	c.uncut = context.AfterFunc(c.cut, func() { stream.Reset(conn) })
	client, asked, err := c.request(conn)
	switch {
	case errors.Is(err, errUnwantedTLS), errors.Is(err, errSiteLanguage):
		if n, ok := c.server.gate.unwanted.Admit(time.Now()); ok {
			c.config.Log.Warn().Uint64("conn", c.id).Stringer("client", conn.RemoteAddr()).Int("others", n).Err(err).Msg("TLS spoken to a plain port")
		}
	case err != nil:
		c.config.Log.Debug().Uint64("conn", c.id).Stringer("client", conn.RemoteAddr()).Err(err).Msg("no request")
	case asked == nil:
	case asked.upgraded != nil:
		handedOver = c.serveUpgrade(client, asked)
	default:
		handedOver = c.tunnel(client, asked)
	}
}

// entered calls enter and then decided, even if enter panics.
func (c *connection) entered(conn net.Conn, decided func()) bool {
	defer decided()
	return c.enter(conn)
}

// survive keeps a panic in a connection from ending the process. It must be deferred.
func (c *connection) survive() {
	if p := recover(); p != nil {
		c.config.Log.Error().Uint64("conn", c.id).Any("panic", p).Bytes("stack", debug.Stack()).Msg("connection panicked")
	}
}

// end releases what the connection holds, closes it and calls done.
func (c *connection) end() {
	defer c.done()
	if c.uncut != nil {
		c.uncut()
	}
	if c.place != nil {
		c.place.Leave()
	}
	_ = c.conn.Close() // the last write has returned any error that matters
}

// request returns the request of a client: for the target of its listener, if there is one, and otherwise for the
// target that the client names.
func (c *connection) request(conn net.Conn) (net.Conn, *request, error) {
	if c.target == nil {
		return c.ask(conn)
	}
	to, err := c.target(conn)
	if err == nil {
		to, err = to.Checked()
	}
	if err == nil && !c.place.Admit() {
		err = errGaveWay
	}
	if err != nil {
		stream.Reset(conn)
		return nil, nil, fmt.Errorf("find the target: %w", err)
	}
	asked := &request{protocol: TCP, target: to}
	if pending, ok := conn.(Pending); ok {
		asked.dialect = pendingDialect{pending}
	}
	return conn, asked, nil
}

// ask performs the handshake and returns the client's request. It returns none for an HTTP client that has been served
// already.
func (c *connection) ask(conn net.Conn) (net.Conn, *request, error) {
	// A client that has not asked for anything loses nothing when the server stops.
	stopClosing := context.AfterFunc(c.stopping, func() { _ = conn.Close() })
	defer stopClosing()
	limit := c.config.Handshake
	if c.surplus {
		limit = min(limit, surplusHandshake)
	}
	deadline := time.Now().Add(limit)
	_ = conn.SetDeadline(deadline) // fails only on a closed connection, as the next read does
	client, speaks, err := c.sniff(conn)
	if client == nil {
		return nil, nil, err
	}
	var asked *request
	switch {
	case err != nil:
	case speaks == speaksSOCKS4:
		asked, err = c.askSOCKS4(client)
	case speaks == speaksSOCKS5:
		asked, err = c.askSOCKS5(client)
	default:
		stopClosing() // net/http knows which of its connections are idle
		asked, err = c.askHTTP(client)
	}
	if err == nil && speaks != speaksHTTP && !c.place.Admit() {
		err = errGaveWay
	}
	if err != nil {
		if time.Now().Before(deadline) && c.stopping.Err() == nil {
			stream.Linger(client)
		}
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return client, asked, nil
}

// ErrTooMany is the error for a client beyond Config.MaxConnections. It wraps syscall.EMFILE.
var ErrTooMany = fmt.Errorf("too many connections are open through this proxy: %w", syscall.EMFILE)

// surplusHandshake is how long the handshake of a client beyond the limit may take. It ends with a refusal.
const surplusHandshake = 2 * time.Second

// errGaveWay is the error for a client that was cut before it was admitted.
var errGaveWay = errors.New("cut before it had asked for anything it may have: too many other clients did the same")

// A gate counts the clients of a Server, and limits how often the log mentions those that are turned away.
type gate struct {
	admission.Gate
	guesses admission.Guesses

	strangers, surplus, unauth, unwanted, hidden, crowded admission.Burst
}

// enter decides whether a client is served, before anything is read from it, and takes a place for it.
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
	c.place = gate.Await(c.stopping.Done(), conn, c.config.MaxConnections, c.full != nil)
	gate.logEvicted(&log)
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
			log.Warn().Int("limit", c.config.MaxConnections).Int("others", n).Msg("too many connections")
		}
	}
	if c.place == nil {
		stream.Reset(conn)
		return false
	}
	c.surplus = true
	return true
}

// logEvicted logs from time to time how many clients were cut to make room for others.
func (g *gate) logEvicted(log *zerolog.Logger) {
	if g.Evicted.Load() == 0 {
		return
	}
	if _, ok := g.crowded.Admit(time.Now()); ok {
		log.Warn().Int64("clients", g.Evicted.Swap(0)).Msg("cut clients that had not asked for anything yet, to serve others")
	}
}
