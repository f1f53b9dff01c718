// Package middlebox is an HTTPS proxy in front of the API server that refuses upgrades as some corporate proxies and
// load balancers do. It terminates TLS, so client certificates do not reach the API server; it changes nothing else.
package middlebox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config configures a middlebox. All fields except Listener and Log are required.
type Config struct {
	// Server is the API server's URL, Authority the authority of its certificate.
	Server    string
	Authority *x509.CertPool
	// Certificate is the server certificate; it may be the API server's own.
	Certificate tls.Certificate
	// Listener accepts the clients; nil means a free loopback port.
	Listener net.Listener
	// Log is the logger of refusals; nil means slog.Default().
	Log *slog.Logger
}

// Middlebox refuses upgrades of chosen protocols, initially none.
type Middlebox struct {
	config   Config
	listener net.Listener

	mu       sync.Mutex
	refusals map[string]int
}

// Listen opens the middlebox's port. The caller must call Serve, which closes it.
func Listen(config Config) (*Middlebox, error) {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	listener := config.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("middlebox: %w", err)
		}
	}
	return &Middlebox{config: config, listener: listener, refusals: map[string]int{}}, nil
}

// URL returns the URL to which clients connect.
func (m *Middlebox) URL() string { return "https://" + m.listener.Addr().String() }

// RefuseUpgrades answers every upgrade to "spdy" or "websocket" with an HTTP status; 0 ends that.
func (m *Middlebox) RefuseUpgrades(protocol string, status int) error {
	if protocol != "spdy" && protocol != "websocket" {
		return fmt.Errorf("protocol %q: there are spdy, websocket", protocol)
	}
	if status != 0 && (status < 400 || status > 599) {
		return fmt.Errorf("status %d: not an HTTP error", status)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusals[protocol] = status
	return nil
}

// Serve proxies until ctx ends, when it closes upgraded connections.
func (m *Middlebox) Serve(ctx context.Context) error {
	target, err := url.Parse(m.config.Server)
	if err != nil {
		return errors.Join(fmt.Errorf("API server's URL: %w", err), m.listener.Close())
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: m.config.Authority, NextProtos: []string{"http/1.1"}},
	}
	defer transport.CloseIdleConnections()
	errorLog := slog.NewLogLogger(m.config.Log.Handler(), slog.LevelDebug)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		Transport: transport, ErrorLog: errorLog, FlushInterval: -1,
	}
	server := &http.Server{
		Handler:           m.refusing(proxy),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{m.config.Certificate}, NextProtos: []string{"http/1.1"}},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          errorLog,
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = server.Close()
		close(closed)
	})
	err = server.ServeTLS(m.listener, "", "")
	if !stop() {
		<-closed
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("middlebox: %w", err)
	}
	return nil
}

func (m *Middlebox) refusing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Upgrade")), "/")
		m.mu.Lock()
		status := m.refusals[protocol]
		m.mu.Unlock()
		if protocol != "" && status != 0 {
			m.config.Log.Info("upgrade refused", "protocol", protocol, "status", status)
			http.Error(w, "this proxy passes no such upgrade", status)
			return
		}
		next.ServeHTTP(w, r)
	})
}
