package proxy

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync"

	"fairlead/proxy/stream"
)

// A Handler carries connections from the moment in which their client was told of success. Relay is the one of rules that
// have none. It is used by many goroutines at once.
type Handler interface {
	// Handle owns both connections of flow. It may return before they end. When they have ended, and are closed, done must
	// be called, once, from any goroutine: with nil for an orderly end and for a client that broke off, else with what
	// ended the connection, as it is to stand in Connection.Err. When ctx ends, the connection must end at once, and with
	// context.Cause(ctx) for its error.
	//
	// An error on one side must not become an orderly end on the other, which would take a transfer that was cut for a
	// complete one.
	Handle(ctx context.Context, flow Flow, done func(error))
}

// A Flow is what a Handler carries.
type Flow struct {
	Connection Connection // as it was when its client was answered
	// Client and Target can be half-closed and reset by stream.CloseWrite and stream.Reset, as far as what is below them can.
	// Bytes that are read from Target and written to it are counted.
	Client, Target net.Conn
	Early          []byte // what the client has sent that Target has not got, and that Client does not read again
}

// handOver gives an answered connection to its handler. The connection ends when the handler is done.
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

// ReadWaiter implements what stream.ReadWaiter asks for.
func (c *countedConn) ReadWaiter() func() { return stream.ReadWaiter(c.Conn) }

// CloseWrite ends the direction towards the target.
func (c *countedConn) CloseWrite() error { return stream.CloseWrite(c.Conn) }

// SetLinger is TCP's, where the connection has it: a reset is made with it.
func (c *countedConn) SetLinger(seconds int) error { return stream.SetLinger(c.Conn, seconds) }
