package proxy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"syscall"

	"fairlead/proxy/stream"
)

// A request is a tunnel that a client asked for, in any protocol.
type request struct {
	protocol Protocol
	target   Target
	early    []byte   // what the client sent after its request
	dialect  dialect  // nil if the client gets no answer
	upgraded *upgrade // set instead of dialect for a request that its target has answered already
}

// A dialect answers a request in the protocol of the client.
type dialect interface {
	accept(io.Writer) error
	refuse(io.Writer, Answer) error
}

// tunnel serves a request from its route on. It returns true if it has handed the connection over to a handler, which
// will end it.
func (c *connection) tunnel(client net.Conn, asked *request) (handedOver bool) {
	rec := c.begin(c.config, asked.protocol, client.RemoteAddr(), asked.target)
	if c.surplus {
		c.refuse(client, rec, asked, c.full)
		return false
	}
	to, target, early, err := c.reach(client, rec, asked)
	if err != nil {
		c.refuse(client, rec, asked, err)
		return false
	}
	if asked.dialect != nil && asked.dialect.accept(client) != nil {
		stream.Reset(target)
		rec.finish(ErrClientLeft)
		return false
	}
	rec.connected()
	_, unconfirmed := target.(Unconfirmed)
	flow := Flow{Client: client, Target: &countedConn{target, c.meter}, Early: early}
	c.handOver(rec, to.handler(c.config), flow, func(err error) {
		if unconfirmed && isRefusal(err) && c.meter.received.Load() == 0 {
			rec.setStage(StageDial) // the client got a positive answer before the target had answered
		}
		rec.finish(err)
	})
	return true
}

// reach dials the target while it watches the client. It also returns the bytes that the client has sent and that have
// not been sent to the target yet.
func (c *connection) reach(client net.Conn, rec *record, asked *request) (route, net.Conn, []byte, error) {
	ctx, cancel := context.WithCancelCause(c.cut)
	defer cancel(nil)
	ctx, expire := context.WithTimeout(ctx, c.config.DialTimeout)
	defer expire()
	gone := func() {
		if c.cut.Err() == nil { // otherwise the proxy closed the connection
			cancel(ErrClientLeft)
		}
	}

	w := stream.WatchClient(client, asked.early, gone)
	to, err := routed(ctx, rec, asked.target)
	var target net.Conn
	if err == nil {
		target, err = to.dial(ctx, rec, asked.target)
	}
	early := w.Stop()
	if err != nil {
		return to, nil, nil, err
	}
	unconfirmed, ok := target.(Unconfirmed)
	if !ok {
		return to, target, early, nil
	}
	rest, err := c.confirm(ctx, client, target, unconfirmed, early, gone)
	if err != nil {
		stream.Reset(target)
		return to, nil, nil, inTime(ctx, err)
	}
	return to, target, rest, nil
}

// confirm sends early, for which the target may be waiting, and waits until the target has answered. It returns the
// bytes that the client has sent since.
func (c *connection) confirm(ctx context.Context, client, target net.Conn, u Unconfirmed, early []byte, gone func()) ([]byte, error) {
	if len(early) > 0 {
		stop := context.AfterFunc(ctx, func() { _ = target.Close() })
		_, err := c.meter.send(target, early)
		stop()
		if err != nil {
			return nil, openedOr(ctx, u, err)
		}
		// A client that has sent something and then half-closes has not left, so it is not watched.
		return nil, u.Opened(ctx)
	}
	w := stream.WatchClient(client, nil, gone)
	err := u.Opened(ctx)
	return w.Stop(), err
}

// openedOr returns the target's refusal, if there is one, instead of the write error that it caused.
func openedOr(ctx context.Context, u Unconfirmed, writeErr error) error {
	if err := u.Opened(ctx); err != nil {
		return err
	}
	return writeErr
}

// refuse tells the client why its tunnel failed, and ends the tunnel.
func (c *connection) refuse(client net.Conn, rec *record, asked *request, err error) {
	if errors.Is(err, ErrClientLeft) {
		rec.finish(err)
		return
	}
	if asked.dialect == nil {
		stream.Reset(client)
		rec.failed(err, Answer{})
		rec.finish(err)
		return
	}
	answer := c.config.answer(asked.target, err)
	sendErr := asked.dialect.refuse(client, answer)
	rec.failed(err, answer)
	rec.finish(err)
	if sendErr == nil {
		stream.Linger(client)
	}
}

// isRefusal reports whether err is one of the errors with which a Dialer refuses a target.
func isRefusal(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, fs.ErrPermission) || errors.As(err, &dns)
}
