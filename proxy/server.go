package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/things-go/go-socks5"
)

// Config says where a Server sends its clients and how long things may take. The zero value refuses every target.
type Config struct {
	// Rules are tried in order; what none matches is refused with a *RouteError.
	Rules []Rule
	// Answer tells a client of an error; nil means DefaultAnswer. It is called from many goroutines.
	Answer func(error) Answer
	// Report takes one Report for each tunnel and each plain-HTTP request, when it ends, from many goroutines; the
	// connection waits for it. nil is fine.
	Report func(Report)
	// Log gets what concerns no single target: garbage and broken handshakes at debug level, trouble with the
	// listener, panics. The zero Logger is silent.
	Log zerolog.Logger
	// Handshake bounds the time from the first connect to a complete request; default 15 s.
	Handshake time.Duration
	// Dial bounds route, dial and confirmation of a target; default 30 s.
	Dial time.Duration
	// Drain is what open connections get at stop to end by themselves before they are cut; default 2 s.
	Drain time.Duration
	// Grace is how long one direction of a tunnel may stay silent after the other has ended; default 2 min.
	Grace time.Duration
	// Idle ends a tunnel through which no byte has gone for so long; 0 means never.
	Idle time.Duration
	// Connections is how many clients may be connected at a time; default 1024. One more is told so, where that is
	// cheap, and else closed.
	Connections int
	// Credentials are wanted of SOCKS5 clients by RFC 1929 and of HTTP clients as Proxy-Authorization: Basic. SOCKS4
	// has no password, and is refused with them. nil wants none.
	Credentials *Credentials
	// TLS makes the port speak TLS too, told by the first byte: inside are the same languages. Client certificates are
	// required and checked against its ClientCAs, whatever its ClientAuth says. nil means no TLS.
	TLS *tls.Config
	// RequireTLS turns away clients that do not speak TLS.
	RequireTLS bool
	// Peer judges a client before a byte of it is read; an error turns it away and is logged. SameUser makes one. nil
	// lets everybody in.
	Peer func(client, local netip.AddrPort) error
	// Pages serves requests to the proxy itself: GET and HEAD in origin form, with a loopback Host, from this machine,
	// and not made by another site's page. nil answers them with one line.
	Pages http.Handler
}

// Credentials are what a client must know to be served.
type Credentials struct {
	User, Password string // 1 to 255 bytes each; no colon in User
}

// withDefaults fills what was left out.
func (c Config) withDefaults() *Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&c.Handshake, 15*time.Second)
	set(&c.Dial, 30*time.Second)
	set(&c.Drain, 2*time.Second)
	set(&c.Grace, 2*time.Minute)
	if c.Connections <= 0 {
		c.Connections = 1024
	}
	if c.Answer == nil {
		c.Answer = DefaultAnswer
	}
	return &c
}

// A Server speaks SOCKS4, SOCKS4A, SOCKS5 and HTTP on the listeners it is given. It is made by New and used by many goroutines at once.
type Server struct {
	config  atomic.Pointer[Config]
	ids     atomic.Uint64
	traffic counters
	socks5  *socks5.Server
	buffers sync.Pool
}

// New makes a Server. It starts nothing.
func New(config Config) *Server {
	s := &Server{socks5: newSOCKS5()}
	s.buffers.New = func() any {
		buffer := make([]byte, busyBuffer)
		return &buffer
	}
	s.config.Store(config.withDefaults())
	return s
}

// Reconfigure makes new connections, and new requests of open plain-HTTP connections, use config. Open tunnels stay as
// they are.
func (s *Server) Reconfigure(config Config) { s.config.Store(config.withDefaults()) }

// Traffic returns what the Server has carried up to now, bytes of open connections included.
func (s *Server) Traffic() Traffic {
	return Traffic{
		Open:     s.traffic.open.Load(),
		Total:    s.traffic.total.Load(),
		Sent:     s.traffic.sent.Load(),
		Received: s.traffic.received.Load(),
	}
}

// serving is one call of Serve.
type serving struct {
	server   *Server
	stopping context.Context // ended: nothing new is begun
	cut      context.Context // ended: open connections are cut
	http     *httpFront
}

// Serve accepts connections from ln until ctx is cancelled, then closes ln, lets open connections end for Config.Drain,
// cuts the rest, and returns nil when every connection is done. It returns an error, after the same, when ln ended by
// itself. ln is closed in any case.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	cut, cutNow := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cutNow(nil)
	v := &serving{server: s, stopping: stopping, cut: cut, http: newHTTPFront(s, ln.Addr())}

	unlisten := context.AfterFunc(stopping, func() { _ = ln.Close() })
	defer unlisten()
	var front, connections sync.WaitGroup
	front.Go(v.http.run)
	err := v.accept(ln, &connections)

	stop()
	drained := time.AfterFunc(s.config.Load().Drain, func() { cutNow(ErrStopped) })
	front.Go(func() { v.http.drain(cut) })
	connections.Wait()
	drained.Stop()
	cutNow(ErrStopped)
	front.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
}

// accept gives each connection a goroutine. Errors other than the listener's end pass: what they stand for (no file
// descriptors left, a client gone before it was accepted) does.
func (v *serving) accept(ln net.Listener, connections *sync.WaitGroup) error {
	const least, most = 5 * time.Millisecond, time.Second
	pause := least
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = least
			connections.Go(func() { v.serve(conn) })
		case v.stopping.Err() != nil, errors.Is(err, net.ErrClosed):
			return err
		default:
			v.server.config.Load().Log.Warn().Err(err).Stringer("listener", ln.Addr()).Dur("pause", pause).Msg("accept")
			select {
			case <-time.After(pause):
			case <-v.stopping.Done():
			}
			pause = min(2*pause, most)
		}
	}
}

// connection is one client's, from accept to close.
type connection struct {
	*serving
	id     uint64
	config *Config
	meter  *meter
}

// serve owns conn.
func (v *serving) serve(conn net.Conn) {
	c := &connection{serving: v, id: v.server.ids.Add(1), config: v.server.config.Load(), meter: &meter{all: &v.server.traffic}}
	log := c.config.Log
	defer func() { _ = conn.Close() }() // whoever wrote last has met what could go wrong
	defer func() {
		if p := recover(); p != nil {
			log.Error().Uint64("conn", c.id).Any("panic", p).Bytes("stack", debug.Stack()).Msg("connection panicked")
		}
	}()
	uncut := context.AfterFunc(v.cut, func() { reset(conn) })
	defer uncut()
	client, asked, err := c.ask(conn)
	switch {
	case err != nil:
		log.Debug().Uint64("conn", c.id).Stringer("client", conn.RemoteAddr()).Err(err).Msg("no request")
	case asked == nil:
	case asked.upgraded != nil:
		c.serveUpgrade(client, asked)
	default:
		c.tunnel(client, asked)
	}
}

// ask finds out what the client wants. It returns no request for an HTTP client that has been served already.
func (c *connection) ask(conn net.Conn) (net.Conn, *request, error) {
	// A client that has not asked for anything loses nothing when the server stops.
	unleave := context.AfterFunc(c.stopping, func() { _ = conn.Close() })
	defer unleave()
	deadline := time.Now().Add(c.config.Handshake)
	_ = conn.SetDeadline(deadline) // fails only on a closed connection, as the next read does
	client, speaks, err := sniff(conn)
	if err != nil {
		return nil, nil, err
	}
	var asked *request
	switch speaks {
	case speaksSOCKS4:
		asked, err = askSOCKS4(client)
	case speaksSOCKS5:
		asked, err = askSOCKS5(c.server.socks5, client)
	case speaksHTTP:
		unleave() // net/http knows which of its connections wait
		asked, err = c.askHTTP(client)
	}
	if err != nil {
		if time.Now().Before(deadline) && c.stopping.Err() == nil {
			linger(client)
		}
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return client, asked, nil
}
