package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/proxy/admission"
)

// A Server serves SOCKS4, SOCKS4A, SOCKS5 and HTTP on the listeners passed to Serve. New makes it. Its methods may be
// called by many goroutines at once.
type Server struct {
	config  atomic.Pointer[Config]
	ids     atomic.Uint64
	traffic counters
	gate    gate

	largeHeads atomic.Int64 // memory of large response heads in bytes, see http1.ResponseMeter

	mutex    sync.Mutex
	servings map[*serving]struct{}
}

// New returns a Server. It starts nothing.
func New(config Config) *Server {
	s := &Server{servings: map[*serving]struct{}{}}
	s.config.Store(config.withDefaults())
	return s
}

// Reconfigure makes new connections, and new requests of open plain-HTTP connections, use config. Open tunnels stay as
// they are.
func (s *Server) Reconfigure(config Config) { s.config.Store(config.withDefaults()) }

// Connections returns the tunnels and requests in progress, the oldest first.
func (s *Server) Connections() []Connection {
	var open []Connection
	for _, r := range s.open() {
		open = append(open, r.describe())
	}
	slices.SortFunc(open, func(a, b Connection) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
	})
	return open
}

// open returns the records of the tunnels and requests in progress.
func (s *Server) open() []*record {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var open []*record
	for v := range s.servings {
		open = append(open, v.records.all()...)
	}
	return open
}

// CloseConnections cuts every client connection, including idle ones, and returns how many tunnels and plain-HTTP
// requests were in progress. Their Err becomes ErrCut. A client that connects afterwards is served as usual.
func (s *Server) CloseConnections() int {
	open := len(s.open())
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for v := range s.servings {
		v.cutAll()
	}
	return open
}

// A mode is what a listener serves.
type mode struct {
	target func(net.Conn) (Target, error) // nil if clients name their target in a handshake
	only   Language                       // what clients may speak
	site   func() Site                    // nil if clients speak to a proxy
}

// serving is one call of Serve.
type serving struct {
	mode
	server   *Server
	stopping context.Context // when it ends, nothing new begins
	ending   context.Context // when it ends, open connections are cut
	http     *httpFront      // nil if target is set
	records  records
	plain    atomic.Bool   // the site was expected to speak TLS, and does not
	progress chan struct{} // bytes have moved; see reportProgress

	mutex    sync.Mutex
	batch    context.Context // of the connections accepted so far, which are cut for its cause when it ends
	cutBatch context.CancelCauseFunc
}

// cutContext returns the context at whose end a connection that is accepted now is cut.
func (v *serving) cutContext() context.Context {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.batch
}

// cutAll cuts the current batch of connections and begins the next one.
func (v *serving) cutAll() {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.cutBatch(ErrCut)
	v.batch, v.cutBatch = context.WithCancelCause(v.ending)
}

func (s *Server) register(v *serving) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.servings[v] = struct{}{}
}

func (s *Server) unregister(v *serving) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.servings, v)
	v.cutBatch(nil)
}

// Serve accepts connections from ln until ctx is cancelled, then closes ln, lets open connections end for Config.Drain,
// cuts the rest, and returns nil when every connection has ended. If ln fails, it does the same and returns an error.
// ln is closed in any case.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error { return s.run(ctx, ln, mode{}) }

// A Language is a protocol that the clients of a listener speak.
type Language int

// The languages of a Server.
const (
	AnyLanguage Language = iota
	HTTP1                // CONNECT and plain HTTP
	SOCKS                // versions 4, 4A and 5
)

// ServeOnly is like Serve, for a listener whose clients may speak one protocol only, in TLS or not.
func (s *Server) ServeOnly(ctx context.Context, ln net.Listener, only Language) error {
	return s.run(ctx, ln, mode{only: only})
}

// ServeTarget is like Serve, for a listener whose clients speak to their target from the first byte, as if there were
// no proxy: on a port that stands for one target, or with connections that were intercepted. target returns the target
// of an accepted connection, made by hostport.New or hostport.ParseNamed, and must not wait for the client. If it
// returns an error, the connection is reset, and the error is logged at debug level.
//
// All of the Config applies except what is about handshakes: Handshake, Credentials, TLS, RequireTLS and Pages. So any
// client that can connect is served, if Peer admits it. The client of a Pending is answered through that. Other clients
// get no answer, and their connections are reset after a failure.
func (s *Server) ServeTarget(ctx context.Context, ln net.Listener, target func(net.Conn) (Target, error)) error {
	return s.run(ctx, ln, mode{target: target})
}

// run serves a listener in the mode m.
func (s *Server) run(ctx context.Context, ln net.Listener, m mode) error {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	cut, cutNow := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cutNow(nil)
	v := &serving{mode: m, server: s, stopping: stopping, ending: cut, progress: make(chan struct{}, 1)}
	v.batch, v.cutBatch = context.WithCancelCause(cut)
	s.register(v)
	defer s.unregister(v)

	unlisten := context.AfterFunc(stopping, func() { _ = ln.Close() })
	defer unlisten()
	var front, connections sync.WaitGroup
	if v.target == nil {
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

// maxEntering bounds how many accepted connections have no place yet. Others wait in the listener's queue.
const maxEntering = 16

// accept serves each connection in a goroutine, until the listener is closed or v is stopping. It retries after other
// errors, because their causes pass: no file descriptors left, or a client that left before it was accepted.
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
