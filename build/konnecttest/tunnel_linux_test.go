package konnecttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/kube"
	"fairlead/kube/fault"
	"fairlead/kube/konnectivity"
	"fairlead/proxy/dialtest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(insideVariable); text != "" {
		if err := inside(text); err != nil {
			_, _ = io.WriteString(os.Stderr, "inside: "+err.Error()+"\n")
			os.Exit(1)
		}
		return
	}
	status := m.Run()
	if path, _ := build(); path != "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

// TestKonnectivity shares one lab, whose start takes longer than its tests.
func TestKonnectivity(t *testing.T) {
	l := newLab(t)
	t.Run("Sidecar", func(t *testing.T) { sidecar(t, l) })
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Run("NamesLeadToAddresses", func(t *testing.T) { namesLead(t, l, mode) })
			t.Run("Conformance", func(t *testing.T) { conformance(t, l, mode) })
			t.Run("TargetSpeaksFirst", func(t *testing.T) { targetFirst(t, l, mode) })
			t.Run("StalledReaderIsCut", func(t *testing.T) { stalledReader(t, l, mode) })
			t.Run("Doctor", func(t *testing.T) { doctor(t, l, mode) })
			t.Run("Programs", func(t *testing.T) { programs(t, l, mode) })
			t.Run("AgentIsKilledAndBack", func(t *testing.T) { agentBack(t, l, mode) })
		})
	}
}

// modes are the servers that the tests use.
var modes = []string{"http-connect", "socket", "grpc"}

// open opens a cluster whose connections a server makes, and runs it until stop is called or the test ends.
func (l *lab) open(t testing.TB, mode string) (c *kube.Cluster, stop func()) {
	t.Helper()
	s := l.servers[mode]
	pem, err := os.ReadFile(filepath.Join(l.dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(l.dir, "client.crt"), filepath.Join(l.dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := konnectivity.Config{Server: s.url, TLS: func() (*tls.Config, error) {
		return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}}, nil
	}}
	if mode == "grpc" {
		config.Mode = konnectivity.GRPC
	}
	tunnel, err := konnectivity.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c, err = kube.Open(kube.Config{Kubeconfig: l.cluster.Kubeconfig, Context: "demo", Carrier: tunnel, Policy: kube.Policy{
		Namespace: "tunnel",
		Outside: func(ctx context.Context, _, address string) (net.Conn, error) {
			return tunnel.DialAddress(ctx, address)
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return c, stop
}

// client returns an HTTP client whose connections a cluster makes, a new one for each request.
func client(c *kube.Cluster) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: c.DialContext, DisableKeepAlives: true}}
}

// get returns the body of a page.
func get(t *testing.T, c *kube.Cluster, url string) (string, error) {
	t.Helper()
	response, err := client(c).Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func namesLead(t *testing.T, l *lab, mode string) {
	c, _ := l.open(t, mode)
	web := l.clusterIP(t, "tunnel", "web")
	for url, want := range map[string]string{
		"http://web/where":                          web + ":80", // a Service: its ClusterIP
		"http://web.tunnel.svc/where":               web + ":80",
		"http://" + web + "/where":                  web + ":80",
		"http://web.tunnel.pod:8080/where":          "10.244.77.11:8080", // a Pod: its own address
		"http://10.244.77.11:8080/where":            "10.244.77.11:8080",
		"http://db.tunnel.svc:8080/where":           headless + ":8080", // a headless Service
		"http://db-0.db.tunnel:8080/where":          headless + ":8080",
		"http://lonely.tunnel.svc/where":            "10.244.77.15:8080", // where nothing implements ClusterIPs
		"http://10-244-77-20.tunnel.pod:8080/where": headless + ":8080",
	} {
		if got, err := get(t, c, url); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", url, got, err, want)
		}
	}
}

func conformance(t *testing.T, l *lab, mode string) {
	c, stop := l.open(t, mode)
	const whole = "a Konnectivity server ends both directions of a connection at once, and a reset of the target like an orderly end"
	dialtest.Run(t, dialtest.Suite{
		Dialer:      c,
		Stop:        stop,
		Without:     map[dialtest.Part]string{dialtest.EndReachesTarget: whole, dialtest.ResetIsReported: whole},
		Echo:        "echo.tunnel.svc:7",
		Late:        "late.tunnel.svc:7005",
		LateRequest: "please\n",
		LateAnswer:  lateAnswer,
		Source:      "source.tunnel.svc:7001",
		SourceBytes: sourceSize,
		Refused:     "refused.tunnel.svc:80",
		Unknown:     "nobody.tunnel.svc:80",
		NotReady:    "unready.tunnel.svc:80",
		Forbidden:   "host.tunnel.pod:80",
		Hangs:       "hangs.tunnel.pod:8080",
	})
}

func agentBack(t *testing.T, l *lab, mode string) {
	c, _ := l.open(t, mode)
	const url = "http://web.tunnel.svc/where"
	if _, err := get(t, c, url); err != nil {
		t.Fatal(err)
	}
	conn, err := c.DialContext(t.Context(), "tcp", "echo.tunnel.svc:7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l.killAgent(t, mode)
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes through an agent that is gone", n)
	}
	_, err = get(t, c, url)
	failed, ok := errors.AsType[*fault.Konnectivity](err)
	if !ok || failed.Problem != fault.KonnectivityNoAgent || !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("without an agent: %v", err)
	}
	l.startAgent(t, mode)
	if got, err := get(t, c, url); err != nil || !strings.HasSuffix(got, ":80") {
		t.Errorf("with a new agent: %q, %v", got, err)
	}
	s := l.servers[mode]
	s.stop()
	_, err = get(t, c, url)
	if failed, ok := errors.AsType[*fault.Konnectivity](err); !ok || failed.Problem != fault.KonnectivityUnusable {
		t.Errorf("without a server: %v", err)
	}
	s.start(t)
	l.await(t, "the agent of the restarted server", s.hasAgent)
	if _, err := get(t, c, url); err != nil {
		t.Errorf("with a restarted server: %v", err)
	}
}

// proxyURL returns the URL of a SOCKS proxy.
func proxyURL(address string) *url.URL { return &url.URL{Scheme: "socks5h", Host: address} }

// digest returns the SHA-256 of a page.
func digest(c *http.Client, page string) (string, error) {
	response, err := c.Get(page)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, response.Body)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// targetFirst makes connections to a target that speaks first: its bytes may come before the server's answer.
func targetFirst(t *testing.T, l *lab, mode string) {
	c, _ := l.open(t, mode)
	want := make([]byte, 1000)
	if _, err := io.ReadFull(clustertest.Pattern(int64(len(want))), want); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		conn, err := c.DialContext(t.Context(), "tcp", "source.tunnel.svc:7001")
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("connection %d: %.60q, %v", i, got, err)
		}
		_ = conn.Close()
	}
}

// stalledReader leaves a connection unread. The server waits for its client, and all connections of the agent with it, until
// that one connection is cut.
func stalledReader(t *testing.T, l *lab, mode string) {
	c, _ := l.open(t, mode)
	stalled, err := c.DialContext(t.Context(), "tcp", "web.tunnel.svc:80")
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	if _, err := io.WriteString(stalled, "GET /large HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for time.Since(began) < 12*time.Second {
		if got, err := get(t, c, "http://web.tunnel.svc/where"); err != nil {
			t.Fatalf("after %v: %q, %v", time.Since(began), got, err)
		}
		time.Sleep(100 * time.Millisecond) // the stalled connection takes as long
	}
	n, err := io.Copy(io.Discard, stalled)
	if n >= largeSize || err == nil {
		t.Errorf("%d bytes and %v from a connection that was not read", n, err)
	}
}
