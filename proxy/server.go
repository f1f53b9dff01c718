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

// Connections returns what is under way, the oldest first.
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

// open returns the records of what is under way.
func (s *Server) open() []*record {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var open []*record
	for v := range s.servings {
		open = append(open, v.records.all()...)
	}
	return open
}

// CloseConnections cuts every client connection there is, those that wait for nothing included, and returns how many
// tunnels and plain-HTTP requests were under way. Their Err is ErrCut then. A client that connects afterwards is served as ever.
func (s *Server) CloseConnections() int {
	open := len(s.open())
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for v := range s.servings {
		v.cutAll()
	}
	return open
}

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

// cutAll ends the present batch of connections and begins the next.
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

// maxEntering is how many connections are accepted that have no place yet. Others wait in the listener's queue.
const maxEntering = 16

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
