package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/proxy/admission"
	"fairlead/proxy/stream"
)

// A Server speaks SOCKS4, SOCKS4A, SOCKS5 and HTTP on the listeners it is given. It is made by New and used by many goroutines at once.
type Server struct {
	config  atomic.Pointer[Config]
	ids     atomic.Uint64
	traffic counters
	gate    gate

	largeHeads atomic.Int64 // what they cost, see http1.ResponseMeter

	mutex    sync.Mutex
	servings map[*serving]struct{}
}

// New makes a Server. It starts nothing.
func New(config Config) *Server {
	s := &Server{servings: map[*serving]struct{}{}}
	s.config.Store(config.withDefaults())
	return s
}

// Reconfigure makes new connections, and new requests of open plain-HTTP connections, use config. Open tunnels stay as
// they are.
func (s *Server) Reconfigure(config Config) { s.config.Store(config.withDefaults()) }

// serving is one call of Serve.
type serving struct {
	server   *Server
	target   func(net.Conn) (Target, error) // nil: clients say what they want, in a handshake
	stopping context.Context                // ended: nothing new is begun
	ending   context.Context                // ended: open connections are cut
	http     *httpFront                     // nil with target
	records  records
	progress chan struct{} // bytes have moved; see reportProgress

	mutex    sync.Mutex
	batch    context.Context // of the connections accepted by now; ended: they are cut, for its cause
	cutBatch context.CancelCauseFunc
}

// cutContext is what cuts a connection that is accepted now.
func (v *serving) cutContext() context.Context {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.batch
}

// Serve accepts connections from ln until ctx is cancelled, then closes ln, lets open connections end for Config.Drain,
// cuts the rest, and returns nil when every connection is done. It returns an error, after the same, when ln ended by
// itself. ln is closed in any case.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error { return s.run(ctx, ln, nil) }

// ServeTarget is Serve for a listener whose clients speak to their targets at once, as if no proxy were there: at a port
// that stands for one target, or with connections that were captured on their way. Target returns what the client of an
// accepted connection is to be connected with, made by NewTarget, and must not wait for the client; an error of it resets
// the connection, and is logged at debug level.
//
// All of the Config applies except what is about handshakes: Handshake, Credentials, TLS, RequireTLS and Pages. So whoever
// can connect is served, if Peer lets him in. A client is told nothing of success, and of a failure by a reset.
func (s *Server) ServeTarget(ctx context.Context, ln net.Listener, target func(net.Conn) (Target, error)) error {
	return s.run(ctx, ln, target)
}

// run is Serve without target, and else ServeTarget.
func (s *Server) run(ctx context.Context, ln net.Listener, target func(net.Conn) (Target, error)) error {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	cut, cutNow := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cutNow(nil)
	v := &serving{server: s, target: target, stopping: stopping, ending: cut, progress: make(chan struct{}, 1)}
	v.batch, v.cutBatch = context.WithCancelCause(cut)
	s.register(v)
	defer s.unregister(v)

	unlisten := context.AfterFunc(stopping, func() { _ = ln.Close() })
	defer unlisten()
	var front, connections sync.WaitGroup
	if target == nil {
		v.http = newHTTPFront(s, ln.Addr())
		front.Go(v.http.run)
	}
	ended := make(chan struct{})
	front.Go(func() { v.reportProgress(ended) })
	err := v.accept(ln, &connections)

	stop()
	drained := time.AfterFunc(s.config.Load().Drain, func() { cutNow(ErrStopped) })
	if v.http != nil {
		front.Go(func() { v.http.drain(cut) })
	}
	connections.Wait()
	close(ended)
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
	var spare admission.Spare
	defer spare.Give()
	entering := make(chan struct{}, maxEntering)
	for {
		select {
		case entering <- struct{}{}:
		case <-v.stopping.Done():
			return net.ErrClosed
		}
		conn, full, err := spare.Accept(ln)
		switch {
		case err == nil:
			pause = least
			cut := v.cutContext()
			connections.Add(1)
			go v.serve(conn, full, cut, func() { <-entering }, connections.Done)
		case v.stopping.Err() != nil, errors.Is(err, net.ErrClosed):
			return err
		default:
			v.server.config.Load().Log.Warn().Err(err).Stringer("listener", ln.Addr()).Dur("pause_ms", pause).Msg("accept")
			<-entering
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
	id      uint64
	config  *Config
	meter   *meter
	conn    net.Conn
	cut     context.Context // ended: the connection is cut, for its cause
	uncut   func() bool
	place   *admission.Place // nil for a client that is turned away
	done    func()           // to be called at its end
	surplus bool             // it is asked what it wants, and refused
	full    error            // with this: there are as many as Config.Connections, or no files for more
}

// whyCut is nil as long as the connection is not cut.
func (c *connection) whyCut() error {
	if c.ending.Err() != nil {
		return context.Cause(c.ending) // which ends a moment before the batches do
	}
	return context.Cause(c.cut)
}

// serve owns conn, which is cut when cut ends. With full it is only told that. Entered is called when it has a place or
// gets none, done when all is over, which may be after it has returned.
func (v *serving) serve(conn net.Conn, full error, cut context.Context, entered, done func()) {
	c := &connection{
		serving: v, id: v.server.ids.Add(1), config: v.server.config.Load(),
		meter: &meter{serving: v}, conn: conn, cut: cut, done: done, full: full,
	}
	goesOn := false
	defer func() {
		if !goesOn {
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
	case errors.Is(err, errUnwantedTLS):
		if n, ok := c.server.gate.unwanted.Admit(time.Now()); ok {
			c.config.Log.Warn().Uint64("conn", c.id).Stringer("client", conn.RemoteAddr()).Int("others", n).Err(err).Msg("TLS spoken to a plain port")
		}
	case err != nil:
		c.config.Log.Debug().Uint64("conn", c.id).Stringer("client", conn.RemoteAddr()).Err(err).Msg("no request")
	case asked == nil:
	case asked.upgraded != nil:
		goesOn = c.serveUpgrade(client, asked)
	default:
		goesOn = c.tunnel(client, asked)
	}
}

// entered is enter, and calls decided when it has returned, even by a panic.
func (c *connection) entered(conn net.Conn, decided func()) bool {
	defer decided()
	return c.enter(conn)
}

// survive keeps a panic of a connection from ending the process. It is to be deferred.
func (c *connection) survive() {
	if p := recover(); p != nil {
		c.config.Log.Error().Uint64("conn", c.id).Any("panic", p).Bytes("stack", debug.Stack()).Msg("connection panicked")
	}
}

// end is the last of a connection.
func (c *connection) end() {
	defer c.done()
	if c.uncut != nil {
		c.uncut()
	}
	if c.place != nil {
		c.place.Leave()
	}
	_ = c.conn.Close() // whoever wrote last has met what could go wrong
}

// request returns what the client wants: what its connection stands for, or what it asks for.
func (c *connection) request(conn net.Conn) (net.Conn, *request, error) {
	if c.target == nil {
		return c.ask(conn)
	}
	to, err := c.target(conn)
	if err == nil {
		to, err = NewTarget(to.Host, int(to.Port))
	}
	if err == nil && !c.place.Admit() {
		err = errGaveWay
	}
	if err != nil {
		stream.Reset(conn)
		return nil, nil, fmt.Errorf("find the target: %w", err)
	}
	return conn, &request{protocol: TCP, target: to}, nil
}

// ask finds out what the client asks for. It returns no request for an HTTP client that has been served already.
func (c *connection) ask(conn net.Conn) (net.Conn, *request, error) {
	// A client that has not asked for anything loses nothing when the server stops.
	unleave := context.AfterFunc(c.stopping, func() { _ = conn.Close() })
	defer unleave()
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
		unleave() // net/http knows which of its connections wait
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
