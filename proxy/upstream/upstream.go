// Package upstream makes connections through forward proxies, which HTTP CONNECT (RFC 9110, section 9.3.6) or SOCKS5 (RFC
// 1928) asks for: through one, or through a chain of them, over any function that dials. It is a leaf: the way to hosts
// outside and the way to an API server both use it. Every failure is an *Error, so that a proxy's fault is not taken for
// that of what is behind it. No error holds a proxy's credentials.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"syscall"
	"time"

	"fairlead/proxy/safetext"
	"fairlead/proxy/stream"
)

// A Proxy is a forward proxy, and how to connect to it.
type Proxy struct {
	// URL has the scheme http, https, socks5 or socks5h, and the proxy's credentials. The proxy looks names up, whichever of
	// the two for SOCKS it is.
	URL *url.URL
	// TLS is for an https proxy: its roots, and a client certificate. nil means the system's roots and no certificate. The
	// server's name is that of URL if TLS has none.
	TLS *tls.Config
	// Secure wraps the connection to a proxy of any scheme in TLS, as that to an https proxy always is.
	Secure bool
	// Name is what the user calls the proxy; empty if it has no name.
	Name string
}

// secured reports whether the proxy is inside TLS.
func (p Proxy) secured() bool { return p.Secure || p.URL.Scheme == "https" }

// Address returns the host:port of a proxy, with the default port of its scheme if it names none.
func Address(via *url.URL) string { return net.JoinHostPort(via.Hostname(), Port(via)) }

// Port returns the port of a proxy, which is the default of its scheme if it names none.
func Port(via *url.URL) string {
	if port := via.Port(); port != "" {
		return port
	}
	switch via.Scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return "1080"
}

// A Problem says why a forward proxy does not connect.
type Problem string

// The reasons why a forward proxy does not connect.
const (
	Unusable Problem = ""       // it cannot be reached, is not trusted, or speaks another language, as Err says
	Login    Problem = "login"  // it wants other credentials than it got
	Denies   Problem = "denies" // it does not connect to what it was asked for
	Beyond   Problem = "beyond" // it reports that it cannot reach what it was asked for

	Certificate Problem = "certificate" // it wants a client certificate, or another one than it got
)

// An Error is a forward proxy that could not be reached, or did not connect.
type Error struct {
	Proxy   string // host:port, never with credentials
	Name    string // what the user calls the proxy; may be empty
	Problem Problem
	// Err wraps errors of package net and the system. For what the last proxy of a chain reports about its target,
	// these are the errors that a dial of the target would return: syscall.ECONNREFUSED, or a *net.DNSError with
	// IsNotFound.
	Err error
}

func (e *Error) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("through proxy %s (%s): %v", e.Name, e.Proxy, e.Err)
	}
	return fmt.Sprintf("through proxy %s: %v", e.Proxy, e.Err)
}

// ForwardProxy returns which proxy it was, by its name and its address, and its Problem.
func (e *Error) ForwardProxy() (name, address, problem string) {
	return e.Name, e.Proxy, string(e.Problem)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// An answer is what a proxy said in place of connecting.
type answer struct {
	problem Problem
	text    string
	word    error // of package net or the system; nil if there is none for it
}

func (a *answer) Error() string { return a.text }

// Unwrap returns the word.
func (a *answer) Unwrap() error { return a.word }

// A Dialer makes connections through forward proxies.
type Dialer struct {
	// DialContext connects to the first proxy of a chain.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// UserAgent is how HTTP proxies see this client; empty means that they are not told.
	UserAgent string
	// Abrupt closes connections with https proxies without TLS's close_notify, which waits for a proxy that has stopped
	// reading.
	Abrupt bool
}

// Dial returns a connection to address through a chain of proxies, each of which is reached through the one before. ctx
// bounds the dial. The connection has CloseWrite and SetLinger if those that DialContext returns have them.
func (d Dialer) Dial(ctx context.Context, address string, chain ...Proxy) (net.Conn, error) {
	if len(chain) == 0 {
		return d.DialContext(ctx, "tcp", address)
	}
	last := len(chain) - 1
	var asked certificateRequest
	conn, err := d.dialProxy(ctx, chain[last], &asked, chain[:last]...)
	if err != nil {
		return nil, err
	}
	// Neither protocol's code knows contexts: a deadline that has passed ends it.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = d.tunnel(conn, chain[last].URL, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() == nil {
			err = asked.alert(conn, err)
		}
		_ = conn.Close()
		return nil, failure(ctx, chain[last], asked.explain(err))
	}
	return conn, nil
}

// DialProxy returns a connection to a proxy itself, through those of a chain before it, inside TLS if its scheme is https
// or it is Secure.
func (d Dialer) DialProxy(ctx context.Context, via Proxy, before ...Proxy) (net.Conn, error) {
	var asked certificateRequest
	conn, err := d.dialProxy(ctx, via, &asked, before...)
	if secured, ok := conn.(*stream.TLS); ok && asked.asked {
		return &unconfirmed{TLS: secured, via: via, asked: asked}, nil
	}
	return conn, err
}

func (d Dialer) dialProxy(ctx context.Context, via Proxy, asked *certificateRequest, before ...Proxy) (net.Conn, error) {
	switch via.URL.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, failure(ctx, via, fmt.Errorf("proxies of the kind %.20q: %w", via.URL.Scheme, errors.ErrUnsupported))
	}
	conn, err := d.Dial(ctx, Address(via.URL), before...)
	switch {
	case err != nil && len(before) > 0:
		return nil, shortOf(via.URL, err)
	case err != nil:
		return nil, failure(ctx, via, err)
	case !via.secured():
		return conn, nil
	}
	secured, err := d.secure(ctx, conn, via, asked)
	if err != nil {
		_ = conn.Close()
		return nil, failure(ctx, via, asked.explain(fmt.Errorf("TLS: %w", err)))
	}
	return secured, nil
}

// tunnel asks the proxy via, on the other end of conn, for a tunnel, and reads no byte of what comes through it.
func (d Dialer) tunnel(conn net.Conn, via *url.URL, address string) error {
	switch via.Scheme {
	case "socks5", "socks5h":
		return connectSOCKS5(conn, via.User, address)
	}
	return d.connectHTTP(conn, via.User, address)
}

// failure returns the error of the proxy via.
func failure(ctx context.Context, via Proxy, err error) error {
	failed := &Error{
		Proxy: Address(via.URL), Name: via.Name,
		Err: safetext.Error(err, safetext.Credentials(authorization(via.URL.User))...),
	}
	said, answered := errors.AsType[*answer](err)
	switch {
	case answered:
		failed.Problem = said.problem
	case ctx.Err() != nil:
		failed.Err = ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		failed.Err = context.DeadlineExceeded // the connection's deadlines are all the context's
	}
	return failed
}

// shortOf returns the error of a chain's proxy that did not lead to the next one, via. The target was not asked: what is
// said of via must not read as said of the target.
func shortOf(via *url.URL, err error) error {
	failed, ok := errors.AsType[*Error](err)
	if !ok || failed.Problem != Beyond {
		return err
	}
	return &Error{Proxy: failed.Proxy, Name: failed.Name, Problem: Beyond, Err: fmt.Errorf("%w on the way to proxy %s: %v", syscall.ENETUNREACH, Address(via), failed.Err)}
}
