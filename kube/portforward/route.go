package portforward

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
	"fairlead/kube/heads"
	"fairlead/proxy/stream"
	"fairlead/proxy/upstream"
)

// A route is how the API server is reached, as a kubeconfig describes it: address, proxies, TLS.
type route struct {
	base        *url.URL // scheme, host and path prefix of the API server
	address     string   // its host:port
	proxyFor    func(*url.URL) (*url.URL, error)
	dialTCP     func(ctx context.Context, network, address string) (net.Conn, error)
	tls         *tls.Config           // nil for plain HTTP
	onConnect   func(time.Duration)   // called with the time that a TCP connect took
	roundTrip   func() time.Duration  // returns the shortest one seen, 0 if none was
	unreachable func()                // called when no connection could be made
	roots       func() *x509.CertPool // returns the roots for the API server; nil leaves them to tls
	// proxyRoots are the roots for an https proxy; nil means the system's roots, as in other programs.
	proxyRoots  *x509.CertPool
	proxySource fault.ProxySource

	mu      sync.Mutex
	owner   identity       // whose session tickets are cached
	trusted *x509.CertPool // the roots that these were made with
	tickets tls.ClientSessionCache
}

// An identity distinguishes sets of credentials without keeping them.
type identity [sha256.Size]byte

func newRoute(cfg *rest.Config, conf *transport.Config) (*route, error) {
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, err
	}
	if base.Path == "" {
		base.Path = "/"
	}
	r := &route{
		base: base, address: hostPort(base), proxyFor: upstream.FromEnvironment(), dialTCP: cfg.Dial,
		roots:     func() *x509.CertPool { return nil },
		onConnect: func(time.Duration) {}, roundTrip: func() time.Duration { return 0 }, unreachable: func() {},
	}
	if conf.Proxy != nil {
		r.proxyFor = func(*url.URL) (*url.URL, error) { return conf.Proxy(&http.Request{URL: base}) }
	}
	if r.dialTCP == nil {
		r.dialTCP = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
		}, Control: boundUnacknowledged}).DialContext
	}
	if base.Scheme != "https" {
		return r, nil
	}
	if r.tls, err = transport.TLSConfigFor(conf); err != nil {
		return nil, err
	}
	if r.tls == nil {
		r.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	r.tls = r.tls.Clone()
	// Upgrades belong to HTTP/1.1.
	r.tls.NextProtos = []string{"http/1.1"}
	if r.tls.ServerName == "" {
		r.tls.ServerName = base.Hostname()
	}
	return r, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// certificate returns the current client certificate and its identity. Getting it may run a credential plugin.
func (r *route) certificate() (*tls.Certificate, identity, error) {
	if r.tls == nil || r.tls.GetClientCertificate == nil {
		return nil, identity{}, nil
	}
	cert, err := r.tls.GetClientCertificate(&tls.CertificateRequestInfo{})
	if err != nil {
		return nil, identity{}, &credentialError{err}
	}
	if cert == nil || len(cert.Certificate) == 0 {
		return &tls.Certificate{}, identity{}, nil
	}
	return cert, sha256.Sum256(cert.Certificate[0]), nil
}

// A credentialError is the failure to get a credential.
type credentialError struct{ err error }

func (e *credentialError) Error() string { return e.err.Error() }
func (e *credentialError) Unwrap() error { return e.err }

// connectTimeout limits how long a connection to the API server may take, with TLS and through proxies. It is long
// enough for a lost packet or two.
const connectTimeout = 7 * time.Second

// dial makes a connection for HTTP with the API server, and returns the identity of its client certificate.
func (r *route) dial(ctx context.Context) (net.Conn, identity, error) {
	cert, id, err := r.certificate()
	if err != nil {
		return nil, id, err
	}
	timeout := max(connectTimeout, 8*r.roundTrip())
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := r.dialTLS(bounded, cert, id)
	if err != nil && ctx.Err() == nil {
		r.unreachable()
		if _, atProxy := errors.AsType[*fault.Proxy](err); bounded.Err() != nil && !atProxy {
			err = fmt.Errorf("no connection in %v: %w", timeout, syscall.ETIMEDOUT)
		}
	}
	return conn, id, err
}

// dialTLS connects to the API server, and makes the TLS handshake if its URL is https.
func (r *route) dialTLS(ctx context.Context, cert *tls.Certificate, id identity) (net.Conn, error) {
	conn, err := r.reach(ctx)
	if err != nil || r.tls == nil {
		return conn, err
	}
	cfg := r.tls.Clone()
	if roots := r.roots(); roots != nil {
		cfg.RootCAs = roots
	}
	cfg.ClientSessionCache = r.sessionCache(id, cfg.RootCAs)
	if cert != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	secured := stream.NewTLS(tls.Client(conn, cfg), conn)
	secured.Abrupt = true
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", r.base.Host, err)
	}
	return secured, nil
}

// sessionCache returns the cache of session tickets for one client certificate and one set of roots, because a resumed
// session keeps the certificates of its first handshake.
func (r *route) sessionCache(id identity, roots *x509.CertPool) tls.ClientSessionCache {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tickets == nil || r.owner != id || r.trusted != roots {
		r.owner, r.trusted, r.tickets = id, roots, tls.NewLRUClientSessionCache(8)
	}
	return r.tickets
}

// reach connects to the API server's port, through a proxy if one is set.
func (r *route) reach(ctx context.Context) (net.Conn, error) {
	via, err := r.proxyFor(r.base)
	if err != nil {
		return nil, fault.OfProxy(err, r.proxySource)
	}
	if via != nil {
		dialer := upstream.Dialer{DialContext: r.dialTCP, Abrupt: true}
		conn, err := dialer.Dial(ctx, r.address, upstream.Proxy{URL: via, TLS: &tls.Config{RootCAs: r.proxyRoots}})
		return conn, fault.OfProxy(err, r.proxySource)
	}
	start := time.Now()
	conn, err := r.dialTCP(ctx, "tcp", r.address)
	if err == nil {
		r.onConnect(time.Since(start))
	}
	return conn, err
}

// exchange writes req in one write and reads the head of the answer. rest has what came after the head. The exchange
// ends with ctx.
func exchange(ctx context.Context, conn net.Conn, req *http.Request) (resp *http.Response, rest *bufio.Reader, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if cause := ctx.Err(); cause != nil && err != nil {
			err = cause
		}
	}()
	w := bufio.NewWriterSize(conn, heads.MaxBytes)
	if err := req.Write(w); err != nil {
		return nil, nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, nil, err
	}
	r := bufio.NewReader(&io.LimitedReader{R: conn, N: heads.MaxBytes})
	for range 5 { // there may be interim answers (1xx)
		resp, err = http.ReadResponse(r, req)
		if err == nil {
			err = heads.Check(resp.Header)
		}
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, r, nil
		}
	}
	return nil, nil, errors.New("too many interim answers")
}
