package proxy

import (
	"context"
	"net"
	"net/url"
)

// A Dialer connects to address, which is "host:port"; host may be a name that this machine cannot resolve. It has the
// method of net.Dialer, so that anything that dials can be a Dialer. network is always "tcp".
//
// The connection must have a method CloseWrite() error. Without it the whole connection is closed when the client
// half-closes its own, and the answer is lost. ctx bounds the dial, never the connection.
//
// Errors are those of package net and the system, and may be wrapped: *net.DNSError with IsNotFound if there is no such
// name, syscall.ECONNREFUSED, syscall.EHOSTUNREACH if nothing is ready at the target, syscall.ENETUNREACH if the way to
// it is down, fs.ErrPermission if it is not allowed, and context.DeadlineExceeded or os.ErrDeadlineExceeded after a
// timeout. If the connection ends in any way but an orderly one, Read must return an error other than io.EOF.
//
// A Dialer is used by many goroutines at once.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// A Forwarder is a Dialer that reaches some targets through a forward proxy. Plain-HTTP requests are sent to that proxy
// as they are, and not in a tunnel: many such proxies allow tunnels only to port 443.
type Forwarder interface {
	Dialer
	// Forward returns the forward proxy on the way to address, or nil if there is none. Only proxies with the schemes
	// http and https get plain-HTTP requests. ctx bounds the call.
	Forward(ctx context.Context, address string) (*url.URL, error)
	// DialForward connects to the forward proxy itself, with TLS if its scheme says so.
	DialForward(ctx context.Context, via *url.URL) (net.Conn, error)
}

// Unconfirmed is implemented by a connection that a Dialer may return before the target has answered. A tunnel writes
// to it what the client has sent already, then calls Opened, then answers the client.
type Unconfirmed interface {
	// Opened waits for the target. It returns nil once the target can be regarded as connected, and otherwise an error
	// as a Dialer returns it. ctx bounds the wait.
	Opened(ctx context.Context) error
}
