package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fairlead/proxy/peer"
	"fairlead/proxy/stream"
)

const (
	deafGrace = 2 * time.Second // for the answer of a target that reads no more

	// departedFirst is the time until the first check whether a client that has ended its direction has left, and
	// departedLast the longest time between two checks.
	departedFirst = 20 * time.Millisecond
	departedLast  = 2 * time.Second
)

// errSilent ends a relay whose client waits for an answer that does not come.
var errSilent = fmt.Errorf("the target stayed silent after the client's end: %w", os.ErrDeadlineExceeded)

// ErrIdle is the Err of a tunnel that Config.Idle ended.
var ErrIdle = fmt.Errorf("no byte went through for too long: %w", os.ErrDeadlineExceeded)

// A Relay is the Handler that copies between a client and its target until both directions have ended.
//
// An orderly end of one direction is passed on as such. The other direction may continue as long as it moves bytes, and
// is ended when it has been silent for Grace. An error is never passed on as an orderly end: the other side is reset,
// so that it cannot take a transfer that was cut for a complete one.
type Relay struct {
	Grace time.Duration
	Idle  time.Duration  // how long a connection may be silent; 0 means for ever
	Log   zerolog.Logger // of panics
}

// Handle implements Handler.
//
// Each direction gets a new goroutine, which waits with a small stack. The caller's stack has grown with the handshake
// and the dial, so the caller should return.
func (r *Relay) Handle(ctx context.Context, flow Flow, done func(error)) {
	relay := &relay{Relay: r, id: flow.Connection.ID, client: flow.Client, target: flow.Target}
	relay.start(ctx, flow.Early, done)
}

// A relay is what a Relay does for one connection.
type relay struct {
	*Relay
	id             uint64
	client, target net.Conn

	moved atomic.Uint64 // chunks, in both directions

	mutex      sync.Mutex
	ended      int   // directions
	deaf       error // why the target reads no more
	answered   bool  // the target has ended its direction
	closed     bool
	err        error
	graceTimer *time.Timer
	idleTimer  *time.Timer
	departure  *time.Timer
}

// start calls done once both directions have ended and both connections are closed. early is what the client has sent
// already. When ctx ends, the relay is cut with its cause. A nil error means an orderly end, or a client that broke off.
func (r *relay) start(ctx context.Context, early []byte, done func(error)) {
	stop := context.AfterFunc(ctx, func() { r.abort(context.Cause(ctx)) })
	if r.Idle > 0 {
		r.mutex.Lock()
		r.watchIdle(r.moved.Load())
		r.mutex.Unlock()
	}
	var under atomic.Int32
	under.Store(2)
	carry := func(direction func()) {
		r.guarded(direction)
		if under.Add(-1) == 0 {
			stop()
			done(r.finish(ctx))
		}
	}
	go carry(r.receive)
	go carry(func() { r.send(early) })
}

// finish closes both connections when both directions have ended, and returns how the relay ended.
func (r *relay) finish(ctx context.Context) error {
	r.mutex.Lock()
	closed, deaf, err := r.closed, r.deaf, r.err
	if r.graceTimer != nil {
		r.graceTimer.Stop()
	}
	if r.idleTimer != nil {
		r.idleTimer.Stop()
	}
	if r.departure != nil {
		r.departure.Stop()
	}
	r.mutex.Unlock()
	switch {
	case closed && err == nil:
		return context.Cause(ctx) // a client that was closed at stop looks as if it had broken off
	case closed:
		return err
	case deaf != nil:
		stream.Linger(r.client)
	}
	_ = r.client.Close() // both directions have ended, so an error loses nothing
	_ = r.target.Close()
	return nil
}

// send carries what the client sends.
func (r *relay) send(early []byte) {
	readErr, writeErr := r.copy(r.target, r.client, early)
	switch {
	case readErr != nil:
		r.abort(nil) // the client broke off, which is no error
	case writeErr != nil:
		// The target may have answered and closed without reading the rest. Its answer still reaches the client.
		r.deafTo(writeErr)
	default:
		r.clientEnded()
	}
}

// clientEnded passes on that the client has ended its direction, or the connection.
func (r *relay) clientEnded() {
	gone := peer.Departed(r.client)
	if !gone {
		_ = stream.CloseWrite(r.target) // the other direction notices if the target has gone
		r.oneEnded(r.Grace)
	}
	r.departOrAwait(gone, departedFirst)
}

// receive carries what the target sends.
func (r *relay) receive() {
	readErr, writeErr := r.copy(r.client, r.target, nil)
	switch {
	case readErr != nil:
		r.abort(fmt.Errorf("the target broke off: %w", readErr))
	case writeErr != nil:
		r.abort(nil)
	default:
		r.mutex.Lock()
		r.answered = true
		r.mutex.Unlock()
		_ = stream.CloseWrite(r.client) // the other direction notices if the client has gone
		r.oneEnded(r.Grace)
	}
}

// copy writes first, and then what it reads from src until the end.
func (r *relay) copy(dst io.Writer, src io.Reader, first []byte) (readErr, writeErr error) {
	if len(first) > 0 {
		if _, err := dst.Write(first); err != nil {
			return nil, err
		}
	}
	buffer := stream.NewBuffer(src)
	defer buffer.Release()
	for {
		p := buffer.Next()
		n, err := src.Read(p)
		if n > 0 {
			r.moved.Add(1)
			if _, err := dst.Write(p[:n]); err != nil {
				return nil, err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return err, nil
		}
		buffer.Used(n)
	}
}

// guarded keeps a panic of a connection from ending the process.
func (r *relay) guarded(direction func()) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error().Uint64("conn", r.id).Any("panic", p).Bytes("stack", debug.Stack()).Msg("relay panicked")
			r.abort(errors.New("internal error in the relay"))
		}
	}()
	direction()
}

// oneEnded counts a direction that has ended. The other one, if it is still open, has grace from now on.
func (r *relay) oneEnded(grace time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.ended++; r.ended == 1 && !r.closed {
		r.expireAfter(grace, r.moved.Load())
	}
}

// deafTo records that the target reads no more. Whether that is an error depends on how the target ends its own
// direction.
func (r *relay) deafTo(err error) {
	r.mutex.Lock()
	r.deaf = fmt.Errorf("the target broke off: %w", err)
	r.mutex.Unlock()
	r.oneEnded(min(r.Grace, deafGrace))
}

// expireAfter checks after grace, and again as long as bytes move. The mutex is held.
func (r *relay) expireAfter(grace time.Duration, moved uint64) {
	r.graceTimer = time.AfterFunc(grace, func() {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		now := r.moved.Load()
		switch {
		case r.closed || r.ended == 2:
		case now != moved:
			r.expireAfter(grace, now)
		case r.answered:
			r.close(nil)
		case r.deaf != nil:
			r.close(r.deaf)
		default:
			r.close(errSilent)
		}
	})
}

// watchIdle checks after idle, and again as long as bytes move. The mutex is held.
func (r *relay) watchIdle(moved uint64) {
	r.idleTimer = time.AfterFunc(r.Idle, func() {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		now := r.moved.Load()
		switch {
		case r.closed || r.ended == 2:
		case now != moved:
			r.watchIdle(now)
		default:
			r.close(ErrIdle)
		}
	})
}

// abort cuts both sides; the first call decides.
func (r *relay) abort(err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.closed && r.ended < 2 {
		r.close(err)
	}
}

// close ends both sides while one of them still runs. A client to which an orderly end was passed on is not reset,
// because it may not have read everything yet. The mutex is held.
func (r *relay) close(err error) {
	r.closed, r.err = true, err
	stream.Reset(r.target)
	if r.answered {
		_ = r.client.Close()
	} else {
		stream.Reset(r.client)
	}
}

// departOrAwait ends the relay if the client, which has ended its direction, has left altogether, and otherwise checks
// again later.
func (r *relay) departOrAwait(gone bool, after time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch {
	case r.closed || r.ended == 2:
	case gone:
		r.depart()
	default:
		r.departure = time.AfterFunc(after, func() {
			r.departOrAwait(peer.Departed(r.client), min(2*after, departedLast))
		})
	}
}

// depart ends a relay whose client has gone. The target gets everything that was sent to it and an orderly end; what it
// may still send is dropped. The mutex is held.
func (r *relay) depart() {
	r.closed = true
	_ = r.target.Close()
	_ = r.client.Close()
}
