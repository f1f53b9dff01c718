package portforward

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

// A real is the real cluster as these tests use it.
type real struct {
	*clustertest.Cluster
	endpoints map[string]Endpoint // by the beginning of the Pod's name: its first port
}

// TestOnARealCluster tests the carrier with a real API server and the port-forward of a real runtime library.
func TestOnARealCluster(t *testing.T) {
	t.Parallel()
	c := &real{Cluster: clustertest.Start(t, clustertest.Options{}), endpoints: map[string]Endpoint{}}
	c.lookUp(t)
	for name, test := range map[string]func(*real, *testing.T){
		"either protocol reaches the Pod":            (*real).eitherProtocol,
		"what the node refuses another carries":      (*real).refusedAtNode,
		"what a middlebox refuses another carries":   (*real).refusedOnTheWay,
		"rights for one protocol suffice":            (*real).rights,
		"a refused port is refused and harms nobody": (*real).refusedPort,
		"half-closed connections":                    (*real).halfClose,
		"bulk arrives whole":                         (*real).bulk,
		"a reset in the Pod is a reset here":         (*real).reset,
		"a session that accepts nothing more":        (*real).heldUp,
		"lost sessions are lost alone":               (*real).lostSessions,
		"two hundred at once":                        (*real).crowd,
		"a Pod that is not there":                    (*real).noPod,
	} {
		t.Run(name, func(t *testing.T) { test(c, t) })
	}
}

func (c *real) lookUp(t *testing.T) {
	t.Helper()
	out, err := c.Kubectl(t.Context(), "get", "pods", "-A", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var pods struct {
		Items []struct {
			Metadata struct{ Name, Namespace, UID string }
			Spec     struct {
				Containers []struct{ Ports []struct{ ContainerPort int } }
			}
		}
	}
	if err := json.Unmarshal(out, &pods); err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		m := p.Metadata
		name, _, _ := strings.Cut(m.Name, "-")
		for _, whole := range []string{"after-eof", "five-lines", "never-reads", "closes-first"} {
			if m.Name == whole {
				name = whole
			}
		}
		c.endpoints[name] = Endpoint{Namespace: m.Namespace, Pod: m.Name, UID: m.UID, Port: p.Spec.Containers[0].Ports[0].ContainerPort}
	}
}

func (c *real) at(t *testing.T, name string) []Endpoint {
	t.Helper()
	ep, ok := c.endpoints[name]
	if !ok {
		t.Fatalf("no Pod %s", name)
	}
	return []Endpoint{ep}
}

func loaded(t *testing.T, kubeconfig, context string) *rest.Config {
	t.Helper()
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}, &clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (c *real) forwarder(t *testing.T, kubeconfig, context, protocol string) *Forwarder {
	t.Helper()
	return started(t, Config{REST: loaded(t, kubeconfig, context), Context: context, Protocol: protocol})
}

func started(t *testing.T, cfg Config) *Forwarder {
	t.Helper()
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	run(t, f)
	return f
}

func (c *real) sessions(t *testing.T) map[string]int64 {
	t.Helper()
	st, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Sessions
}

func (c *real) eitherProtocol(t *testing.T) {
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		before := c.sessions(t)
		f := c.forwarder(t, c.Kubeconfig, "demo", protocol)
		conn, err := dial(t, f, c.at(t, "hello"))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "GET / HTTP/1.0\r\nHost: hello\r\n\r\n")
		page, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !bytes.Contains(page, []byte("default/"+c.endpoints["hello"].Pod)) {
			t.Errorf("%s: %v, %q", protocol, err, page)
		}
		after := c.sessions(t)
		for _, kind := range []string{ProtocolSPDY, ProtocolWebSocket} {
			if more := after[kind] > before[kind]; more != (kind == protocol) {
				t.Errorf("over %s: %s sessions %d before, %d after", protocol, kind, before[kind], after[kind])
			}
		}
	}
}

func (c *real) refusedAtNode(t *testing.T) {
	defer c.Heal(context.Background()) // the next test fails otherwise
	for refused, works := range map[string]string{ProtocolSPDY: ProtocolWebSocket, ProtocolWebSocket: ProtocolSPDY} {
		if err := errors.Join(c.Heal(t.Context()), c.RefuseUpgrades(t.Context(), refused, 403)); err != nil {
			t.Fatal(err)
		}
		f := c.forwarder(t, c.Kubeconfig, "demo", "")
		if _, err := request(t, f, c.at(t, "echo")); err != nil {
			t.Errorf("%s refused: %v", refused, err)
		}
		if got := f.Stats().Protocol; got != works {
			t.Errorf("%s refused: carried over %q", refused, got)
		}
	}
}

func (c *real) refusedOnTheWay(t *testing.T) {
	for refused, works := range map[string]string{ProtocolSPDY: ProtocolWebSocket, ProtocolWebSocket: ProtocolSPDY} {
		for _, status := range []int{400, 403} {
			for _, kind := range []string{ProtocolSPDY, ProtocolWebSocket} {
				code := 0
				if kind == refused {
					code = status
				}
				if err := c.RefuseAtMiddlebox(t.Context(), kind, code); err != nil {
					t.Fatal(err)
				}
			}
			f := c.forwarder(t, c.KubeconfigMiddlebox, "demo", "")
			if _, err := request(t, f, c.at(t, "echo")); err != nil {
				t.Errorf("%s refused with %d: %v", refused, status, err)
			}
			if got := f.Stats().Protocol; got != works {
				t.Errorf("%s refused with %d: carried over %q", refused, status, got)
			}
		}
	}
	if err := c.RefuseAtMiddlebox(t.Context(), ProtocolWebSocket, 0); err != nil {
		t.Fatal(err)
	}
}

func (c *real) rights(t *testing.T) {
	app := c.at(t, "app")
	get := func(context, protocol string) error {
		f := c.forwarder(t, c.KubeconfigToken, context, protocol)
		conn, err := dial(t, f, app)
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := get("demo-token", ""); err != nil {
		t.Errorf("create alone: %v", err)
	}
	for _, err := range []error{get("demo-token", ProtocolWebSocket), get("demo-reader", "")} {
		forbidden, ok := errors.AsType[*fault.Forbidden](err)
		if !ok || forbidden.Resource != "pods/portforward" || forbidden.Namespace != "team" || !slices.Equal(forbidden.Verbs, []string{"get", "create"}) {
			t.Errorf("without the right: %v", err)
		}
	}
}

func (c *real) refusedPort(t *testing.T) {
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		cfg := Config{REST: loaded(t, c.Kubeconfig, "demo"), Context: "demo", Protocol: protocol}
		patient(&cfg)
		f := started(t, cfg)
		var open []tunnel
		for range 5 {
			conn, err := dial(t, f, c.at(t, "echo"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			echoes(t, conn, "first")
			open = append(open, conn)
		}
		for i := range 10 {
			ep := c.endpoints["echo"]
			ep.Port = 9990 + i
			_, err := dial(t, f, []Endpoint{ep})
			if refused, ok := errors.AsType[*fault.Refused](err); !ok || refused.Port != ep.Port {
				t.Errorf("got %v", err)
			}
		}
		for _, conn := range open {
			echoes(t, conn, "still here")
		}
	}
}

func (c *real) halfClose(t *testing.T) {
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		f := c.forwarder(t, c.Kubeconfig, "demo", protocol)
		var wg sync.WaitGroup
		for name, size := range map[string]int{"five-lines": 0, "echo": 1 << 20, "after-eof": 1000} {
			wg.Go(func() {
				var took time.Duration
				for range 3 { // a busy machine may be late
					var got []byte
					got, took = c.halfClosed(t, f, name, size)
					if name == "five-lines" && bytes.Count(got, []byte("\n")) != 5 || name == "echo" && len(got) != size {
						t.Errorf("%s over %s: %d bytes: %.100q", name, protocol, len(got), got)
					}
					if took <= 7*time.Second {
						return
					}
				}
				t.Errorf("%s over %s: ended after %v", name, protocol, took)
			})
		}
		wg.Wait()
	}
}

// halfClosed sends size bytes and a half-close. It returns what comes until the end, and the time until then.
func (c *real) halfClosed(t *testing.T, f *Forwarder, name string, size int) (got []byte, took time.Duration) {
	conn, err := dial(t, f, c.at(t, name))
	if err != nil {
		t.Error(err)
		return nil, 0
	}
	defer conn.Close()
	start := time.Now()
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		conn.Write(make([]byte, size))
		conn.CloseWrite()
	})
	if got, err = io.ReadAll(conn); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return got, time.Since(start)
}

func (c *real) bulk(t *testing.T) {
	const size = 32 << 20
	want := clustertest.PatternSHA256(size)
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		f := c.forwarder(t, c.Kubeconfig, "demo", protocol)
		conn, err := dial(t, f, c.at(t, "source"))
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		n, err := io.CopyN(hash, conn, size)
		conn.Close()
		if got := fmt.Sprintf("%x", hash.Sum(nil)); got != want || err != nil {
			t.Errorf("%s: %d bytes down, %v", protocol, n, err)
		}
		if conn, err = dial(t, f, c.at(t, "echo")); err != nil {
			t.Fatal(err)
		}
		hash.Reset()
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := io.Copy(conn, clustertest.Pattern(size)); err != nil {
				t.Error(err)
			}
		})
		n, err = io.CopyN(hash, conn, size)
		sending.Wait()
		conn.Close()
		if got := fmt.Sprintf("%x", hash.Sum(nil)); got != want || err != nil {
			t.Errorf("%s: %d bytes there and back, %v", protocol, n, err)
		}
	}
}

func (c *real) reset(t *testing.T) {
	f := c.forwarder(t, c.Kubeconfig, "demo", "")
	conn, err := dial(t, f, c.at(t, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	echoes(t, conn, "hello")
	ep := c.endpoints["echo"]
	if err := c.DropStreams(t.Context(), ep.Namespace+"/"+ep.Pod); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	t.Logf("a dropped stream: %v", err)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	if _, err := request(t, f, c.at(t, "echo")); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// heldUp makes bytes wait for a dial in the Pod that gets no answer: they hold up one of the five workers of the
// runtime's library, and with it other streams, while the session answers pings.
func (c *real) heldUp(t *testing.T) {
	pod := c.endpoints["echo"].Namespace + "/" + c.endpoints["echo"].Pod
	f := started(t, Config{REST: loaded(t, c.Kubeconfig, "demo"), Context: "demo", PerPod: 1})
	if _, err := request(t, f, c.at(t, "echo")); err != nil {
		t.Fatal(err)
	}
	if err := c.Delay(t.Context(), pod, 0, time.Minute); err != nil {
		t.Fatal(err)
	}
	st, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := st.Pod(c.endpoints["echo"].Namespace, c.endpoints["echo"].Pod).Streams
	stuck, err := f.Dial(t.Context(), c.at(t, "echo"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	for range 4 {
		if _, err := io.WriteString(stuck, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the runtime dials for it", func() bool {
		st, err := c.Stats(t.Context())
		return err == nil && st.Pod(c.endpoints["echo"].Namespace, c.endpoints["echo"].Pod).Streams > before
	})
	if err := c.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var ended atomic.Int32
	var all sync.WaitGroup
	const many = 10
	for range many {
		conn, err := dial(t, f, c.at(t, "echo"))
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer conn.Close()
			if _, err := io.WriteString(conn, "hello"); err != nil {
				t.Error(err)
			}
			_, err := io.ReadFull(conn, make([]byte, 5))
			if took := time.Since(start); err != nil {
				ended.Add(1)
				if took < jammedAfter(0, 0) || took > jammedAfter(0, 0)+3*time.Second {
					t.Errorf("one ends after %v: %v", took, err)
				}
			}
		})
	}
	all.Wait()
	if n := ended.Load(); n == 0 || n == many {
		t.Errorf("of %d connections %d are held up, so that the session does not test anything", many, n)
	}
	// The next connection has a healthy session.
	if took, err := request(t, f, c.at(t, "echo")); err != nil || took > time.Second {
		t.Errorf("the next one takes %v: %v", took, err)
	}
}

func (c *real) lostSessions(t *testing.T) {
	f := c.forwarder(t, c.Kubeconfig, "demo", "")
	lost, err := dial(t, f, c.at(t, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	kept, err := dial(t, f, c.at(t, "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	echoes(t, lost, "hello")
	ep := c.endpoints["echo"]
	if err := c.DropSessions(t.Context(), ep.Namespace+"/"+ep.Pod); err != nil {
		t.Fatal(err)
	}
	if _, err := lost.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the lost one: %v", err)
	}
	echoes(t, kept, "still here")
	eventually(t, "a new session is found", func() bool { _, err := request(t, f, c.at(t, "echo")); return err == nil })
}

func (c *real) crowd(t *testing.T) {
	f := c.forwarder(t, c.Kubeconfig, "demo", "")
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			conn, err := dial(t, f, c.at(t, "echo"))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			want := bytes.Repeat([]byte{byte(i)}, 20_000)
			var sending sync.WaitGroup
			defer sending.Wait()
			sending.Go(func() { conn.Write(want) })
			got := make([]byte, len(want))
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if st := f.Stats(); st.Sessions > 32 {
		t.Errorf("%+v", st)
	}
}

func (c *real) noPod(t *testing.T) {
	f := c.forwarder(t, c.Kubeconfig, "demo", "")
	gone := Endpoint{Namespace: "default", Pod: "nobody", Port: 80}
	_, err := dial(t, f, []Endpoint{gone})
	if missing, ok := errors.AsType[*fault.NotFound](err); !ok || missing.Kind != fault.Pod || missing.Name != "nobody" {
		t.Errorf("got %v", err)
	}
	if _, err := request(t, f, append([]Endpoint{gone}, c.at(t, "echo")...)); err != nil {
		t.Errorf("with another endpoint behind it: %v", err)
	}
}
