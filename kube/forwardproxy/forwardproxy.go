// Package forwardproxy makes connections through a forward proxy, which an HTTP CONNECT (RFC 9110, section 9.3.6) or
// SOCKS5 (RFC 1928) asks for. Every failure is a *fault.Proxy, so that a proxy's fault is not taken for that of the server
// behind it. No error holds the proxy's credentials.
package forwardproxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"fairlead/kube/fault"
)

// A Dialer makes connections through forward proxies.
type Dialer struct {
	// DialContext connects to the proxy itself.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Source is where the proxy is set, for errors.
	Source fault.ProxySource
	// Roots are the certificate authorities of https proxies; nil means the system's.
	Roots *x509.CertPool
}

// Address returns the host:port of a proxy, with the default port of its scheme if it names none.
func Address(via *url.URL) string {
	port := via.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[via.Scheme]
	}
	if port == "" {
		port = "1080"
	}
	return net.JoinHostPort(via.Hostname(), port)
}

// Dial returns a connection to address through the proxy via, whose scheme is http, https, socks5 or socks5h. The proxy
// looks up the address's name, whichever of the two for SOCKS it is. The error is a *fault.Proxy.
func (d Dialer) Dial(ctx context.Context, via *url.URL, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, via, address)
	if err == nil {
		return conn, nil
	}
	failed := &fault.Proxy{Proxy: Address(via), Source: d.Source, Err: err}
	var said *answer
	switch {
	case ctx.Err() != nil:
		failed.Err = ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		failed.Err = context.DeadlineExceeded // the connection's deadlines are all the context's
	case errors.As(err, &said):
		failed.Problem = said.problem
	}
	return nil, failed
}

func (d Dialer) dial(ctx context.Context, via *url.URL, address string) (net.Conn, error) {
	tunnel := connect
	switch via.Scheme {
	case "http", "https":
	case "socks5", "socks5h":
		tunnel = socks
	default:
		return nil, fmt.Errorf("proxies of the kind %.20q: %w", via.Scheme, errors.ErrUnsupported)
	}
	conn, err := d.DialContext(ctx, "tcp", Address(via))
	if err != nil {
		return nil, err
	}
	if via.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{
			ServerName: via.Hostname(), RootCAs: d.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		conn = &secureConn{Conn: secure, raw: conn}
	}
	// Neither protocol's code knows contexts: a deadline that has passed ends it.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = tunnel(ctx, conn, via, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// An answer is what a proxy said in place of connecting.
type answer struct {
	problem fault.ProxyProblem
	text    string
}

func (a *answer) Error() string { return a.text }

// A secureConn closes without TLS's close_notify, which waits for a peer that has stopped reading.
type secureConn struct {
	*tls.Conn
	raw net.Conn
}

func (c *secureConn) Close() error { return c.raw.Close() }
