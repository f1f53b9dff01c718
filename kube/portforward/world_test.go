package portforward

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	// The tests provoke the errors that the server's library logs.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}

// A world is an API server and a node in one: the real SPDY port-forward of container runtimes behind TLS, in front of
// programs on loopback ports. Its runtime behaves like containerd: it never half-closes, and ends both directions a
// second after one has ended.
type world struct {
	t      testing.TB
	server *httptest.Server
	refuse atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool] // reports whether it has answered

	resumed atomic.Int32 // upgrades that came over a resumed TLS session

	mu       sync.Mutex
	programs map[int]func(net.Conn)
	conns    map[net.Conn]struct{} // of sessions, over either protocol
	sessions map[string]*served    // by their peer's address
	upgrades []string              // "spdy" or "websocket", as they came
	headers  []http.Header
	handlers sync.WaitGroup
	failures map[int]error         // what the runtime reports in place of a connection, by port
	held     map[int]chan struct{} // by port: closed when dials of the program may go on
	lag      time.Duration         // between the end of one direction and that of both; containerd's is a second
	hesitate time.Duration         // between the end of the data stream and the reason on the error stream
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, programs: map[int]func(net.Conn){}, conns: map[net.Conn]struct{}{}, sessions: map[string]*served{}, held: map[int]chan struct{}{}, failures: map[int]error{}, lag: 100 * time.Millisecond}
	w.programs[7] = func(c net.Conn) { io.Copy(c, c) } // an echo
	w.server = httptest.NewUnstartedServer(w)
	w.server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0) // the ends of spare connections are no errors
	w.server.StartTLS()
	t.Cleanup(func() {
		w.cut()
		w.server.CloseClientConnections()
		w.server.Close()
		w.handlers.Wait()
		w.awaitSessions()
	})
	return w
}

// ServeHTTP serves the API server's pods/portforward.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.handlers.Add(1)
	defer w.handlers.Done()
	kind := "websocket"
	if r.Header.Get("Upgrade") == "SPDY/3.1" {
		kind = "spdy"
	}
	inner := r.Header.Get("X-Test-Inner") != ""
	if !inner {
		w.mu.Lock()
		w.upgrades = append(w.upgrades, kind)
		if r.TLS != nil && r.TLS.DidResume {
			w.resumed.Add(1)
		}
		w.headers = append(w.headers, r.Header.Clone())
		w.mu.Unlock()
		if refuse := w.refuse.Load(); refuse != nil && (*refuse)(rw, r) {
			return
		}
	}
	if kind == "websocket" {
		w.tunnel(rw, r)
		return
	}
	portforward.ServePortForward(upgrading{rw, w}, r, w, "pod", "uid", &portforward.V4Options{}, time.Hour, 30*time.Second, portforward.SupportedProtocols)
}

// tunnel serves a WebSocket as API servers do: its messages are the bytes of an upgraded connection.
func (w *world) tunnel(rw http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{protocolInWS}}
	ws, err := up.Upgrade(rw, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	w.track(ws.NetConn())
	defer w.forget(ws.NetConn())
	inner, err := tls.Dial("tcp", w.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer inner.Close()

	fmt.Fprintf(inner, "POST %s HTTP/1.1\r\nHost: x\r\nX-Test-Inner: 1\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: %s\r\n\r\n", r.URL.Path, protocolV1)
	br := bufio.NewReader(inner)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	done := make(chan struct{}, 2)
	go func() {
		defer func() { inner.Close(); done <- struct{}{} }()
		for {
			_, message, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if _, err := inner.Write(message); err != nil {
				return
			}
		}
	}()
	go func() {
		defer func() { ws.Close(); done <- struct{}{} }()
		b := make([]byte, 32<<10)
		for {
			n, err := br.Read(b)
			if n > 0 && ws.WriteMessage(websocket.BinaryMessage, b[:n]) != nil {
				return
			}
			if err != nil {
				return
			}
		}
	}()
	<-done
	<-done
}

// serve records a session that begins.
func (w *world) serve(s *served) {
	w.track(s.Conn)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[s.RemoteAddr().String()] = s
}

// awaitSessions waits until the library has closed all sessions.
func (w *world) awaitSessions() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		<-s.released
	}
}

func (w *world) track(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = struct{}{}
}

func (w *world) forget(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

// cut ends all sessions at the server's side.
func (w *world) cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.conns)
	for c := range w.conns {
		c.Close()
		delete(w.conns, c)
	}
	return n
}

// cutAndNoticed cuts all sessions and waits until f holds none of them idle.
func (w *world) cutAndNoticed(f *Forwarder) {
	f.pool.mu.Lock()
	var before []*session
	for _, p := range f.pool.pods {
		before = append(before, p.idle...)
	}
	f.pool.mu.Unlock()
	w.cut()
	eventually(w.t, "the dead sessions are gone", func() bool {
		if !f.holds(before) {
			return true
		}
		w.cut() // a client may use a session a moment before it is recorded here
		return false
	})
}

// holds reports whether any of these sessions is idle.
func (f *Forwarder) holds(sessions []*session) bool {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	for _, p := range f.pool.pods {
		for _, s := range sessions {
			if slices.Contains(p.idle, s) {
				return true
			}
		}
	}
	return false
}

// PortForward does the container runtime's part, as containerd does.
func (w *world) PortForward(_ context.Context, name, uid string, port int32, stream io.ReadWriteCloser) error {
	w.handlers.Add(1)
	defer w.handlers.Done()
	w.mu.Lock()
	program, hesitate := w.programs[int(port)], w.hesitate
	held, failure := w.held[int(port)], w.failures[int(port)]
	session := w.sessions[stream.(interface{ RemoteAddr() net.Addr }).RemoteAddr().String()]
	w.mu.Unlock()
	session.give()
	// A runtime closes the data stream before it returns, and so before the library writes the error.
	defer func() {
		_ = stream.Close()
		time.Sleep(hesitate)
	}()
	if failure != nil {
		w.handlers.Go(func() { session.drain(stream) })
		return failure
	}
	if program == nil {
		w.handlers.Go(func() { session.drain(stream) })
		return fmt.Errorf(`failed to execute portforward in network namespace "/run/netns/x": failed to connect to localhost:%d inside namespace "x", IPv4: dial tcp4 127.0.0.1:%d: connect: connection refused IPv6 dial tcp6: address localhost: no suitable address found`, port, port)
	}
	if held != nil {
		select {
		case <-held:
		case <-session.ending:
			w.handlers.Go(func() { session.drain(stream) })
			return errors.New("the session has ended")
		}
	}
	near, far := tcpPair(w.t)
	w.handlers.Add(1)
	go func() {
		defer w.handlers.Done()
		defer far.Close()
		program(far)
	}()
	defer near.Close()
	ends := make(chan error, 2)
	w.handlers.Go(func() {
		_, err := io.Copy(stream, near)
		ends <- err
	})
	w.handlers.Go(func() {
		_, err := io.Copy(near, stream)
		ends <- err
		session.drain(stream)
	})
	w.handlers.Go(func() {
		<-session.ending
		_ = near.SetWriteDeadline(time.Now().Add(w.lag)) // it may be closed
	})
	err := <-ends
	select {
	case second := <-ends:
		err = errors.Join(err, second)
	case <-time.After(w.lag):
	}
	return err
}

func tcpPair(t testing.TB) (near, far net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return net.Pipe()
	}
	defer ln.Close()
	if near, err = net.Dial("tcp", ln.Addr().String()); err == nil {
		far, err = ln.Accept()
	}
	if err != nil {
		t.Error(err)
		return net.Pipe()
	}
	return near, far
}

// program runs f for the connections of a port of the Pod.
func (w *world) program(port int, f func(net.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.programs[port] = f
}

// fail makes the runtime report err in place of a connection with a port.
func (w *world) fail(port int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures[port] = err
}

// hold leaves dials of a port without an answer until release is called. Bytes that come meanwhile hold up a worker of
// the runtime's library.
func (w *world) hold(port int) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := make(chan struct{})
	w.held[port] = held
	return func() { close(held) }
}

func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.upgrades...)
}

// refuseUpgrades answers upgrades of one kind with a status.
func (w *world) refuseUpgrades(kind string, status int, contentType, body string) {
	f := func(rw http.ResponseWriter, r *http.Request) bool {
		got := "websocket"
		if r.Header.Get("Upgrade") == "SPDY/3.1" {
			got = "spdy"
		}
		if kind != got && kind != "" {
			return false
		}
		if status == 0 {
			panic(http.ErrAbortHandler) // ends the connection in place of an answer
		}
		rw.Header().Set("Content-Type", contentType)
		rw.WriteHeader(status)
		io.WriteString(rw, body)
		return true
	}
	w.refuse.Store(&f)
}

func statusBody(code int, message string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"code":%d}`, message, code)
}

func (w *world) rest() *rest.Config {
	return &rest.Config{
		Host:            w.server.URL,
		BearerToken:     "secret-token",
		TLSClientConfig: rest.TLSClientConfig{CAData: certPEM(w.server)},
	}
}

// forwarder runs a Forwarder until the test ends.
func (w *world) forwarder(change func(*Config)) *Forwarder {
	cfg := Config{REST: w.rest()}
	if change != nil {
		change(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	run(w.t, f)
	return f
}

// patient is for tests that expect a refusal, which may take a busy machine longer than the usual grace.
func patient(c *Config) { c.Grace = 2 * time.Second }

func run(t testing.TB, f *Forwarder) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run does not end")
		}
	})
}

func at(port int) []Endpoint {
	return []Endpoint{{Namespace: "ns", Pod: "pod", UID: "uid", Port: port}}
}

// A tunnel is what Dial returns.
type tunnel interface {
	net.Conn
	CloseWrite() error
	Opened(ctx context.Context) error
}

// dial opens a connection as the proxy does.
func dial(t testing.TB, f *Forwarder, endpoints []Endpoint) (tunnel, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := f.Dial(ctx, endpoints, nil)
	if err != nil {
		return nil, err
	}
	tun := c.(tunnel)
	if err := tun.Opened(ctx); err != nil {
		tun.Close()
		return nil, err
	}
	return tun, nil
}

func mustDial(t testing.TB, f *Forwarder, port int) tunnel {
	t.Helper()
	c, err := dial(t, f, at(port))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// echoes sends text and expects it back.
func echoes(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("echo of %q: %q, %v", text, b, err)
	}
}

// eventually polls until ok returns true, or fails after a generous time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func containsToken(s string) bool { return strings.Contains(s, "secret-token") }
