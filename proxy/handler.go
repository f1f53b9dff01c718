package proxy

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync"

	"fairlead/proxy/stream"
)

// A Handler carries connections once their client has got a positive answer. Rules without a Handler use Relay. Handle
// is called by many goroutines at once.
type Handler interface {
	// Handle owns both connections of flow, and may return before they end. Once they have ended and are closed, the
	// Handler must call done, once, from any goroutine: with nil for an orderly end or for a client that broke off, and
	// otherwise with the error for Connection.Err. When ctx ends, the Handler must end the connection at once, and call
	// done with context.Cause(ctx).
	//
	// The Handler must not turn an error on one side into an orderly end on the other: the other side would take a
	// truncated transfer for a complete one.
	Handle(ctx context.Context, flow Flow, done func(error))
}

// A Flow is what a Handler carries.
type Flow struct {
	Connection Connection // as it was when its client was answered
	// Client and Target can be half-closed by stream.CloseWrite and reset by stream.Reset, if the connections that they
	// wrap can. Bytes that are read from Target and written to it are counted.
	Client, Target net.Conn
	Early          []byte // what was already read from Client and has not been written to Target
}

// handOver hands a connection whose client has been answered to its handler. The connection ends when the handler calls
// done.
func (c *connection) handOver(rec *record, handler Handler, flow Flow, ended func(error)) {
	flow.Connection = rec.describe()
	var once sync.Once
	done := func(err error) {
		once.Do(func() {
			defer c.end()
			defer c.survive()
			ended(err)
		})
	}
	defer func() {
		if p := recover(); p != nil {
			c.config.Log.Error().Uint64("conn", c.id).Any("panic", p).Bytes("stack", debug.Stack()).Msg("handler panicked")
			stream.Reset(flow.Target)
			stream.Reset(flow.Client)
			done(errors.New("internal error in the handler of the connection"))
		}
	}()
	handler.Handle(c.cut, flow, done)
}

// countedConn is a connection to a target that counts its bytes.
type countedConn struct {
	net.Conn
	meter *meter
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.meter.addReceived(n)
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) { return c.meter.send(c.Conn, p) }

// ReadWaiter implements the method that stream.ReadWaiter looks for.
func (c *countedConn) ReadWaiter() func() { return stream.ReadWaiter(c.Conn) }

// CloseWrite ends the direction towards the target.
func (c *countedConn) CloseWrite() error { return stream.CloseWrite(c.Conn) }

// SetLinger sets SO_LINGER if the connection to the target is TCP. stream.Reset needs it.
func (c *countedConn) SetLinger(seconds int) error { return stream.SetLinger(c.Conn, seconds) }
