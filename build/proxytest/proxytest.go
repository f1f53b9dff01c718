// Package proxytest runs forward proxies: an HTTP proxy of package net/http and a SOCKS5 proxy of go-socks5, which record
// their requests, and programs: tinyproxy, squid, dante, stunnel and mitmproxy.
package proxytest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/things-go/go-socks5"
)

// The user and the password of a proxy with Options.Login.
const (
	User     = "me"
	Password = "s3cretw0rd"
)

// Options configures a proxy. The zero value connects any client to any address.
type Options struct {
	Login bool
	// Hosts maps addresses ("host:port") that only this proxy can resolve to the real ones. For programs it maps hosts to IP
	// addresses.
	Hosts map[string]string
	// Clients are the authorities of the certificates that an https proxy demands of its clients; nil if it demands none.
	Clients *x509.CertPool
}

// A Proxy is a forward proxy that runs until its TB ends.
type Proxy struct {
	Address string // host:port
	Scheme  string
	// Authority is the authority of an https proxy's certificate.
	Authority *x509.Certificate

	options Options
	tunnels func() []string

	mu    sync.Mutex
	asked []string
	open  []net.Conn
	ended bool
	work  sync.WaitGroup
}

// URL returns the proxy's URL, with a login if it requires one.
func (p *Proxy) URL() *url.URL {
	u := &url.URL{Scheme: p.Scheme, Host: p.Address}
	if p.options.Login {
		u.User = url.UserPassword(User, Password)
	}
	return u
}

// Roots returns the authorities of an https proxy's certificate.
func (p *Proxy) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Authority)
	return pool
}

// ClientCertificate returns a certificate that a client can show, and its authority.
func ClientCertificate(t TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(own)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, authorities
}

// Tunnels returns the addresses of the requests to connect, in order.
func (p *Proxy) Tunnels() []string { return p.tunnels() }

func newProxy(t TB, scheme string, o Options) *Proxy {
	t.Helper()
	p := &Proxy{Scheme: scheme, options: o}
	p.tunnels = func() []string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.Clone(p.asked)
	}
	return p
}

// dial records the requested address, and connects to it.
func (p *Proxy) dial(ctx context.Context, address string) (net.Conn, error) {
	p.mu.Lock()
	p.asked = append(p.asked, address)
	p.mu.Unlock()
	if at, ok := p.options.Hosts[address]; ok {
		address = at
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		p.keep(conn)
	}
	return conn, err
}

// keep closes a connection at the end of the test, if it is not closed before.
func (p *Proxy) keep(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		_ = conn.Close()
	}
	p.open = append(p.open, conn)
}

func (p *Proxy) end() {
	p.mu.Lock()
	p.ended = true
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

// HTTP runs a proxy for CONNECT, inside TLS if the scheme is https.
func HTTP(t TB, scheme string, o Options) *Proxy {
	t.Helper()
	p := newProxy(t, scheme, o)
	server := httptest.NewUnstartedServer(p)
	if scheme == "https" {
		if o.Clients != nil {
			server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: o.Clients}
		}
		server.StartTLS()
		p.Authority = server.Certificate()
	} else {
		server.Start()
	}
	p.Address = server.Listener.Addr().String()
	t.Cleanup(func() {
		p.end()
		server.Close()
	})
	return p
}

// ServeHTTP serves a CONNECT request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte(User+":"+Password))
	if p.options.Login && r.Header.Get("Proxy-Authorization") != login {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	far, err := p.dial(r.Context(), r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	near, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	p.keep(near)
	_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	carry := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}
	p.work.Go(func() { carry(near, far) })
	p.work.Go(func() { carry(far, buffered) })
}

// anyName is a resolver that leaves names to the proxy's dial.
type anyName struct{}

func (anyName) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// SOCKS5 runs a SOCKS5 proxy.
func SOCKS5(t TB, o Options) *Proxy {
	t.Helper()
	p := newProxy(t, "socks5", o)
	options := []socks5.Option{
		socks5.WithResolver(anyName{}),
		socks5.WithDial(func(ctx context.Context, _, address string) (net.Conn, error) { return p.dial(ctx, address) }),
	}
	if o.Login {
		options = append(options, socks5.WithCredential(socks5.StaticCredentials{User: Password}))
	}
	server := socks5.NewServer(options...)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Address = listener.Addr().String()
	p.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.keep(conn)
			p.work.Go(func() { _ = server.ServeConn(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.end()
	})
	return p
}

// Trap returns the address of a listener to which nothing may connect until the test ends.
func Trap(t TB) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Errorf("%v connected to a proxy that must not be used", conn.RemoteAddr())
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		work.Wait()
	})
	return listener.Addr().String()
}

// Dead returns an address at which nothing listens.
func Dead(t TB) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// Silent returns the address of a listener that never answers.
func Silent(t TB) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String() // the kernel completes connections that nothing accepts
}
