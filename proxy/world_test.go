package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fairlead/proxy"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// A world is a Server on a real loopback port, its events, and what it logged.
type world struct {
	t      *testing.T
	server *proxy.Server
	addr   string
	stop   func() error // ends Serve and returns what it returned

	mutex   sync.Mutex
	events  []proxy.Event
	reports []proxy.Connection // of the closed events
	log     bytes.Buffer
}

// open starts a Server. At the end of the test it is stopped and nothing of it may be left.
func open(t *testing.T, config proxy.Config) *world {
	t.Helper()
	return openOn(t, config, listen(t))
}

func openOn(t *testing.T, config proxy.Config, ln net.Listener) *world {
	t.Helper()
	return openServing(t, config, ln, (*proxy.Server).Serve)
}

// openServing is openOn with another way to serve.
func openServing(t *testing.T, config proxy.Config, ln net.Listener, serve func(*proxy.Server, context.Context, net.Listener) error) *world {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	w := &world{t: t, addr: ln.Addr().String()}
	if config.Events == nil {
		config.Events = w.note
	}
	config.Log = zerolog.New(zerolog.SyncWriter(lockedWriter{w}))
	w.server = proxy.New(config)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(w.server, ctx, ln) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Serve did not return")
		}
	})
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		goleak.VerifyNone(t, leaks)
		if open := w.server.Traffic().Open; open != 0 {
			t.Errorf("%d connections counted as open after stop", open)
		}
		w.checkEvents()
		if w.logged("panic") {
			t.Errorf("a panic was logged:\n%s", w.logText())
		}
	})
	return w
}

type lockedWriter struct{ w *world }

func (l lockedWriter) Write(p []byte) (int, error) {
	l.w.mutex.Lock()
	defer l.w.mutex.Unlock()
	return l.w.log.Write(p)
}

func (w *world) logText() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.log.String()
}

func (w *world) logged(text string) bool { return strings.Contains(w.logText(), text) }

// note takes the Server's events.
func (w *world) note(e proxy.Event) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.events = append(w.events, e)
	if e.Kind == proxy.EventClosed {
		w.reports = append(w.reports, e.Connection)
	}
}

// waitReports waits for the end of n connections and returns them, sorted by target.
func (w *world) waitReports(n int) []proxy.Connection {
	w.t.Helper()
	var reports []proxy.Connection
	eventually(w.t, "reports", func() bool {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		reports = slices.Clone(w.reports)
		return len(reports) >= n
	})
	if len(reports) > n {
		w.t.Fatalf("%d reports, want %d: %+v", len(reports), n, reports)
	}
	slices.SortStableFunc(reports, func(a, b proxy.Connection) int { return strings.Compare(a.Target, b.Target) })
	return reports
}

// eventually polls until done is true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting for %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// target accepts connections and gives each to handle, which owns it. The test waits for all of them.
func target(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	ln := listen(t)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}

func echo(conn *net.TCPConn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.CloseWrite()
}

// web serves plain HTTP.
func web(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// through dials from this machine, and knows the names given.
type through struct{ names map[string]string }

func (d through) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if to, ok := d.names[address]; ok {
		address = to
	}
	host, _, _ := net.SplitHostPort(address)
	if net.ParseIP(host) == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func direct() proxy.Config {
	return proxy.Config{Rules: []proxy.Rule{{Name: "direct", Dialer: through{}}}}
}

// dialerFunc is a Dialer made of a function.
type dialerFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialerFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

func by(dial dialerFunc) proxy.Config {
	return proxy.Config{Rules: []proxy.Rule{{Name: "by", Dialer: dial}}}
}

// connect opens a TCP connection to the proxy with a deadline that ends a stuck test.
func (w *world) connect() *net.TCPConn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// curl runs curl and returns its output and exit code.
func curl(t *testing.T, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", append([]string{"-sS", "-q", "--noproxy", ""}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("curl: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// forgetLog is for a test that provoked a panic.
func (w *world) forgetLog() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.log.Reset()
}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

// hostIs matches one host, which is reached by dialer.
func hostIs(host string, dialer proxy.Dialer) func(context.Context, proxy.Target) (proxy.Dialer, error) {
	return func(_ context.Context, to proxy.Target) (proxy.Dialer, error) {
		if to.Host != host {
			return nil, nil
		}
		return dialer, nil
	}
}
