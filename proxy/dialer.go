package proxy

import (
	"context"
	"net"
	"net/url"
)

// A Dialer carries one connection to address, which is "host:port"; host may be a name that nobody on this machine can
// resolve. It is the method of net.Dialer, so that anything that dials can be one. network is always "tcp".
//
// The connection must have CloseWrite() error; one that has not is closed as a whole when the client ends its
// direction, and the answer is lost. ctx bounds the dial, never the connection. Errors are in the words of package net
// and the system, wrapped as one likes: *net.DNSError with IsNotFound for no such name, syscall.ECONNREFUSED,
// syscall.EHOSTUNREACH for nothing there that is ready, syscall.ENETUNREACH for a way that is down, fs.ErrPermission
// for not allowed, context.DeadlineExceeded or os.ErrDeadlineExceeded for out of time. An end of the connection that is
// no orderly end must be an error of Read other than io.EOF. A Dialer is used by many goroutines at once.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// A Forwarder is a Dialer that reaches some targets through a forward proxy. Plain-HTTP requests are sent to it as they
// are, and not in a tunnel: many such proxies allow tunnels to port 443 alone.
type Forwarder interface {
	Dialer
	// Forward returns the forward proxy on the way to address, nil for none. Only those of the schemes http and https
	// take plain-HTTP requests. ctx bounds it.
	Forward(ctx context.Context, address string) (*url.URL, error)
	// DialForward connects to the forward proxy itself, inside TLS where its scheme says so.
	DialForward(ctx context.Context, via *url.URL) (net.Conn, error)
}

// Unconfirmed is offered by a connection that a Dialer handed out before its target answered. A tunnel writes to it
// what the client has sent already, then calls Opened, then answers the client.
type Unconfirmed interface {
	// Opened returns nil once the target may be taken for connected, and else the refusal, in the words that a Dialer
	// uses. ctx bounds the wait.
	Opened(ctx context.Context) error
}
