package portforward

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/kube/fault"
)

func certPEM(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestBytesArriveBothWaysOverEitherProtocol(t *testing.T) {
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t)
			f := w.forwarder(func(c *Config) { c.Protocol = protocol })
			want := make([]byte, 5<<20)
			rand.Read(want)
			for range 3 {
				c := mustDial(t, f, 7)
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := io.Copy(c, bytes.NewReader(want)); err != nil {
						t.Error(err)
					}
				})
				var got bytes.Buffer
				if _, err := io.CopyN(&got, c, int64(len(want))); err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Fatalf("%d bytes, %v", got.Len(), err)
				}
				wg.Wait()
				c.Close()
			}
			for _, kind := range w.seen() {
				if kind != protocol {
					t.Errorf("a session over %s", kind)
				}
			}
		})
	}
}

func TestOtherProtocolIsTriedAndRemembered(t *testing.T) {
	cases := []struct {
		refused, works string
		status         int
		kind, body     string
	}{
		{ProtocolSPDY, ProtocolWebSocket, 403, "application/json", statusBody(403, "no create")},
		{ProtocolSPDY, ProtocolWebSocket, 400, "text/plain", "Upgrade request required"},
		{ProtocolSPDY, ProtocolWebSocket, 502, "text/html", "<html>bad gateway</html>"},
		{ProtocolSPDY, ProtocolWebSocket, 200, "text/html", "<html>welcome</html>"},
		{ProtocolSPDY, ProtocolWebSocket, 0, "", ""}, // cut in place of an answer
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.refused, c.status), func(t *testing.T) {
			w := newWorld(t)
			w.refuseUpgrades(c.refused, c.status, c.kind, c.body)
			f := w.forwarder(nil)
			conn := mustDial(t, f, 7)
			echoes(t, conn, "hello")
			conn.Close()
			if got := f.Stats().Protocol; got != c.works {
				t.Errorf("remembers %q", got)
			}
			// The protocol that worked is refused now.
			w.refuseUpgrades(c.works, c.status, c.kind, c.body)
			w.cutAndNoticed(f)
			eventually(t, "the other protocol is found", func() bool {
				conn, err := dial(t, f, at(7))
				if err != nil {
					return false
				}
				defer conn.Close()
				echoes(t, conn, "again")
				return f.Stats().Protocol == c.refused
			})
		})
	}
}

func TestAnUpgradeThatIsCutOnceIsAskedForAgain(t *testing.T) {
	w := newWorld(t)
	var cuts atomic.Int32
	once := func(http.ResponseWriter, *http.Request) bool {
		if cuts.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	w.refuse.Store(&once)
	f := w.forwarder(nil)
	echoes(t, mustDial(t, f, 7), "hello")
	if got := f.Stats().Protocol; got != ProtocolSPDY {
		t.Errorf("goes on over %s", got)
	}
}

// An API server that restarts behind a load balancer ends a connection like this.
func TestAConnectionThatEndsBeforeTLSIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	ends, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ends.Close() })
	var dials atomic.Int32
	conf := w.rest()
	conf.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) > 1 {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		conn, err := net.Dial("tcp", ends.Addr().String())
		if err == nil {
			var other net.Conn
			if other, err = ends.Accept(); err == nil {
				other.Close()
			}
		}
		return conn, err
	}
	f, err := New(Config{REST: conf})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := f.pool.up.dial(t.Context(), at(7)[0])
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if dials.Load() != 2 {
		t.Errorf("%d dials", dials.Load())
	}
}

func TestForcedProtocolIsTheOnlyOne(t *testing.T) {
	w := newWorld(t)
	w.refuseUpgrades(ProtocolSPDY, 403, "application/json", statusBody(403, "no"))
	f := w.forwarder(func(c *Config) { c.Protocol = ProtocolSPDY })
	_, err := dial(t, f, at(7))
	var forbidden *fault.Forbidden
	if !errors.As(err, &forbidden) {
		t.Fatalf("got %v", err)
	}
	if slices.Contains(w.seen(), ProtocolWebSocket) {
		t.Error("a WebSocket was tried")
	}
	if _, err := New(Config{REST: w.rest(), Protocol: "pigeon"}); err == nil {
		t.Error("an unknown protocol is no error")
	}
}

func TestAnswersOfTheAPIServerAreTyped(t *testing.T) {
	cases := []struct {
		status int
		body   string
		want   func(error) bool
	}{
		{401, statusBody(401, "Unauthorized"), func(err error) bool { _, ok := errors.AsType[*fault.Login](err); return ok }},
		{403, statusBody(403, "pods is forbidden"), func(err error) bool {
			f, ok := errors.AsType[*fault.Forbidden](err)
			return ok && f.Resource == "pods/portforward" && f.Namespace == "ns" && slices.Equal(f.Verbs, []string{"get", "create"})
		}},
		{404, statusBody(404, `pods "pod" not found`), func(err error) bool {
			f, ok := errors.AsType[*fault.NotFound](err)
			return ok && f.Kind == fault.Pod && f.Name == "pod"
		}},
		{400, statusBody(400, "pod pod does not have a host assigned"), func(err error) bool { _, ok := errors.AsType[*fault.NoEndpoints](err); return ok }},
		{500, `pod not found ("pod_ns")`, func(err error) bool { _, ok := errors.AsType[*fault.NotFound](err); return ok }},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			w := newWorld(t)
			kind := "application/json"
			if c.body[0] != '{' {
				kind = "text/plain"
			}
			w.refuseUpgrades("", c.status, kind, c.body)
			f := w.forwarder(nil)
			_, err := dial(t, f, at(7))
			if err == nil || !c.want(err) {
				t.Fatalf("got %T %v", err, err)
			}
			if containsToken(err.Error()) {
				t.Error("the error holds a token")
			}
		})
	}
}

// The API server passes on what nodes answer, and reports its own failures at the node. Neither is about the API server
// itself, the login or the user's rights.
func TestAnswersFromBehindTheAPIServerAreTheNodes(t *testing.T) {
	text := func(status int, body string) *refusal {
		return newRefusal(status, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, []byte(body))
	}
	server := func(status int, message string) *refusal {
		return newRefusal(status, http.Header{"Content-Type": {"application/json"}}, []byte(statusBody(status, message)))
	}
	for name, c := range map[string]struct {
		answer *refusal
		want   fault.NodeProblem
	}{
		"no route to the node":        {server(500, "error dialing backend: dial tcp 10.0.0.1:10250: connect: no route to host"), fault.NodeUnreachable},
		"nobody listens on the node":  {server(500, "Internal error occurred: error dialing backend: dial tcp 10.0.0.1:10250: connect: connection refused"), fault.NodeUnreachable},
		"no tunnel to the node":       {server(500, "error dialing backend: No agent available"), fault.NodeUnreachable},
		"a node without an address":   {server(500, "no preferred addresses found; known addresses: []"), fault.NodeUnreachable},
		"a node that is no more":      {newRefusal(404, http.Header{}, []byte(`{"kind":"Status","message":"nodes \"n7\" not found","details":{"name":"n7","kind":"nodes"}}`)), fault.NodeUnreachable},
		"a kubelet's 401":             {text(401, "Unauthorized"), fault.NodeRefuses},
		"a kubelet's 403":             {text(403, "Forbidden (user=kube-apiserver, verb=create, resource=nodes, subresource(s)=[proxy])\n"), fault.NodeRefuses},
		"a kubelet's 403, translated": {server(500, "unable to upgrade connection: Forbidden (user=kube-apiserver, verb=create, resource=nodes, subresource=proxy)"), fault.NodeRefuses},
		"a virtual node":              {text(404, "404 request not found"), fault.NodeUnable},
		"a virtual node's method":     {text(405, "Method Not Allowed"), fault.NodeUnable},
		"a virtual node's 501":        {text(501, "501 not implemented"), fault.NodeUnable},
		"a node that does not speak":  {server(500, "invalid upgrade response: status code 200"), fault.NodeUnable},
		"a runtime's own":             {text(500, "rpc error: code = Unknown desc = no luck"), fault.NodeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			err := new(upgrader).faultOf(at(7)[0], c.answer)
			n, ok := errors.AsType[*fault.Node](err)
			if !ok || n.Problem != c.want || n.Pod != "pod" || n.Namespace != "ns" || n.Status != c.answer.status {
				t.Errorf("%T %v", err, err)
			}
			if !mayTryElsewhere(err) {
				t.Error("no other Pod is tried")
			}
		})
	}
}

// An answer of a proxy on the route is neither the API server's nor the node's.
func TestAnswersOnTheWayAreNobodysElse(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		status     int
		kind, body string
	}{
		{401, "text/html", "<html>sign in</html>"}, {401, "text/plain", "no token, no entry"}, {403, "text/plain", "this proxy passes no such upgrade"},
		{404, "text/html", "<html>nothing</html>"}, {400, "application/json", `{"type":"error"}`}, {200, "text/html", "<html>sign in</html>"},
	} {
		t.Run(fmt.Sprint(c.status, c.kind), func(t *testing.T) {
			w.refuseUpgrades("", c.status, c.kind, c.body)
			_, err := dial(t, w.forwarder(nil), at(7))
			if b, ok := errors.AsType[*fault.Blocked](err); !ok || b.Status != c.status || b.Server != w.server.Listener.Addr().String() {
				t.Errorf("%T %v", err, err)
			}
		})
	}
	for _, status := range []int{502, 503, 504} {
		w.refuseUpgrades("", status, "text/plain", "no healthy upstream")
		_, err := dial(t, w.forwarder(nil), at(7))
		if _, ok := errors.AsType[*fault.Unreachable](err); !ok {
			t.Errorf("%d: %T %v", status, err, err)
		}
	}
}

// A redirected port-forward is not followed. Its error names both servers.
func TestARedirectedUpgradeNamesBothServers(t *testing.T) {
	w := newWorld(t)
	var followed atomic.Bool
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	defer other.Close()
	refuse := func(rw http.ResponseWriter, r *http.Request) bool {
		http.Redirect(rw, r, other.URL+r.URL.Path+"?token=s3cret", http.StatusTemporaryRedirect)
		return true
	}
	w.refuse.Store(&refuse)
	_, err := dial(t, w.forwarder(nil), at(7))
	b, ok := errors.AsType[*fault.Blocked](err)
	if !ok || b.To != other.URL || b.Server != w.server.Listener.Addr().String() || followed.Load() {
		t.Errorf("%T %v, followed: %v", err, err, followed.Load())
	}
}

func TestWhatRuntimesWriteIsTyped(t *testing.T) {
	ep := at(9999)[0]
	refused := func(err error) bool { _, ok := errors.AsType[*fault.Refused](err); return ok }
	unable := func(err error) bool {
		n, ok := errors.AsType[*fault.Node](err)
		return ok && n.Problem == fault.NodeUnable && n.Text != ""
	}
	for text, want := range map[string]func(error) bool{
		`failed to execute portforward in network namespace "/var/run/netns/cni-1": failed to dial 9999: dial tcp4 127.0.0.1:9999: connect: connection refused`:            refused,
		`error forwarding port 9999 to pod 1, uid : exit status 1: 2026/11/27 16:00:00 socat[7] E connect(5, AF=2 127.0.0.1:9999, 16): Connection refused`:                 refused,
		`error forwarding port 9999 to pod 1, uid : failed to connect to localhost:9999 inside namespace "1", IPv4: dial tcp4 127.0.0.1:9999: connect: connection refused`: refused,
		`error forwarding port 9999 to pod 1, uid : unable to do port forwarding: socat not found`:                                                                         unable,
		`error forwarding port 9999 to pod 1, uid : unable to do port forwarding: nsenter not found`:                                                                       unable,
		`error forwarding port 9999 to pod 1, uid : exec: "socat": executable file not found in $PATH`:                                                                     unable,
	} {
		err, never := runtimeError(ep, text)
		if !want(err) || !never {
			t.Errorf("%s: %T %v, never connected: %t", text, err, err, never)
		}
	}
}

func TestUnreachableAPIServerIsSaid(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { c.REST.Host = "https://" + ln.Addr().String() })
	_, err = dial(t, f, at(7))
	if u, ok := errors.AsType[*fault.Unreachable](err); !ok || u.Server != ln.Addr().String() || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("got %v", err)
	}
}

func TestCancelledDialEndsAtOnce(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{})
	f := func(http.ResponseWriter, *http.Request) bool { <-hold; return true }
	w.refuse.Store(&f)
	defer close(hold)
	fw := w.forwarder(nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { _, err := fw.Dial(ctx, at(7), nil); done <- err }()
	eventually(t, "the dial is under way", func() bool { return len(w.seen()) > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestRefusedPortIsAnAnswerAndHarmsNobody(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(patient)
	open := mustDial(t, f, 7)
	defer open.Close()
	for i := range 20 {
		_, err := dial(t, f, []Endpoint{{Namespace: "ns", Pod: "pod", UID: "uid", Port: 9000 + i}})
		refused, ok := errors.AsType[*fault.Refused](err)
		if !ok || refused.Port != 9000+i || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("got %v", err)
		}
		echoes(t, open, "still here")
	}
}

func TestRefusalIsRememberedForAMoment(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(patient)
	if _, err := dial(t, f, at(9)); err == nil {
		t.Fatal("no refusal")
	}
	before := f.pool.requests.Load()
	ctx := context.Background()
	if _, err := f.Dial(ctx, at(9), nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("got %v", err)
	}
	if f.pool.requests.Load() != before {
		t.Error("the runtime was asked again")
	}
	w.program(9, func(c net.Conn) { io.Copy(c, c) }) // an echo
	eventually(t, "the port is asked again", func() bool { c, err := dial(t, f, at(9)); return err == nil && c.Close() == nil })
}

func TestNextEndpointIsTriedBeforeTheClientHears(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	ctx := context.Background()
	raw, err := f.Dial(ctx, append(at(9), at(7)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := raw.(tunnel)
	// The client's early bytes were sent to the endpoint that refuses, and must reach the other one.
	if _, err := io.WriteString(c, "early"); err != nil {
		t.Fatal(err)
	}
	if err := c.Opened(ctx); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "early" {
		t.Fatalf("%q, %v", b, err)
	}
	if f.Stats().Redialled != 1 {
		t.Errorf("%+v", f.Stats())
	}
}

func TestLateLinesSurviveTheClientsHalfClose(t *testing.T) {
	w := newWorld(t)
	w.lag = time.Second
	w.program(25, func(c net.Conn) {
		for i := range 5 {
			time.Sleep(500 * time.Millisecond)
			fmt.Fprintf(c, "line %d\n", i)
		}
	})
	f := w.forwarder(nil)
	c := mustDial(t, f, 25)
	defer c.Close()
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || bytes.Count(got, []byte("\n")) != 5 {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestHalfClosedConnectionsEndInBoundedTime(t *testing.T) {
	w := newWorld(t)
	w.lag = time.Second
	w.program(26, func(c net.Conn) {
		io.Copy(io.Discard, c) // a runtime never passes the end on
		io.WriteString(c, "too late")
	})
	f := w.forwarder(nil)
	halfClosed := func(port, size int) (took time.Duration) {
		c := mustDial(t, f, port)
		defer c.Close()
		start := time.Now()
		go func() {
			c.Write(make([]byte, size))
			c.CloseWrite()
		}()
		n, err := io.Copy(io.Discard, c)
		if err != nil || port == 7 && n != int64(size) {
			t.Errorf("port %d: %d bytes, %v", port, n, err)
		}
		return time.Since(start)
	}
	var wg sync.WaitGroup
	for port, size := range map[int]int{7: 1 << 20, 26: 1000} {
		wg.Go(func() {
			var took time.Duration
			for range 3 { // a busy machine may be late
				if took = halfClosed(port, size); took <= 7*time.Second {
					return
				}
			}
			t.Errorf("port %d: ended after %v", port, took)
		})
	}
	wg.Wait()
}

func TestSessionsAreReused(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	for range 50 {
		c := mustDial(t, f, 7)
		echoes(t, c, "hello")
		c.Close()
	}
	if st := f.Stats(); st.Dialled > 6 {
		t.Errorf("50 connections one after another took %d sessions", st.Dialled)
	}
}

func TestCutSessionIsNoOrderlyEnd(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	c := mustDial(t, f, 7)
	defer c.Close()
	echoes(t, c, "hello")
	w.cutAndNoticed(f)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %v", err)
	}
	// The next connection works.
	next := mustDial(t, f, 7)
	defer next.Close()
	echoes(t, next, "hello")
}

func TestManyConnectionsAtOnce(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { c.PerPod = 16 })
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			c, err := dial(t, f, at(7))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			want := bytes.Repeat([]byte{byte(i)}, 20_000)
			go c.Write(want)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if st := f.Stats(); st.Sessions > 16 {
		t.Errorf("%d sessions", st.Sessions)
	}
}
