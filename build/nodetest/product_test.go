//go:build node

package nodetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/build/testoutput"
)

// carriers are the two carriers that every test of the product uses.
var carriers = []string{"spdy", "websocket"}

// built returns the path of the program, which is built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nodetest-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "fairlead")
	if out, err := exec.Command("go", "build", "-o", path, "fairlead/app").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fairlead: %w\n%s", err, out)
	}
	return path, nil
})

// A product is a running fairlead serve on one context.
type product struct {
	t       *testing.T
	env     []string
	state   string // the directory with its state
	address string
	pid     int
	errors  *testoutput.Buffer
}

// serve starts the product on the context demo, over one carrier. It is stopped at the end of the test.
func serve(t *testing.T, c *clustertest.Cluster, carrier string) *product {
	t.Helper()
	return serveWith(t, c, carrier, "")
}

// serveWith is serve with more settings.
func serveWith(t *testing.T, c *clustertest.Cluster, carrier, more string) *product {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the path of a Unix socket is limited to 108 bytes, and the name of a test may be long.
	home, err := os.MkdirTemp("", "nodetest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	config := filepath.Join(home, "config", "fairlead")
	for _, dir := range []string{config, filepath.Join(home, "run")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	settings := fmt.Sprintf("defaults:\n  carrier: %s\n%s", carrier, more)
	if err := os.WriteFile(filepath.Join(config, "config.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &product{t: t, errors: &testoutput.Buffer{}, state: filepath.Join(home, "state", "fairlead"), env: append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "HOME="+home,
		"XDG_STATE_HOME="+filepath.Join(home, "state"), "XDG_CONFIG_HOME="+filepath.Join(home, "config"),
		"XDG_RUNTIME_DIR="+filepath.Join(home, "run"), "DBUS_SESSION_BUS_ADDRESS=")}
	command := exec.Command(program, "serve", "--listen", "127.0.0.1:0", "demo")
	command.Env, command.Stderr = p.env, p.errors
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p.pid = command.Process.Pid
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			t.Error("fairlead does not end")
			_ = command.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("fairlead said:\n%s", p.errors)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, p.errors)
	}
	_, address, ok := strings.Cut(strings.TrimSpace(line), "socks5h://")
	if !ok {
		t.Fatalf("fairlead printed %q", line)
	}
	p.address = address
	return p
}

// run runs another command of the program while serve runs, and returns its output.
func (p *product) run(args ...string) (string, error) {
	program, err := built()
	if err != nil {
		p.t.Fatal(err)
	}
	command := exec.Command(program, args...)
	command.Env = p.env
	out, err := command.CombinedOutput()
	return string(out), err
}

// A refusal is a SOCKS5 reply other than success.
type refusal byte

func (r refusal) Error() string { return fmt.Sprintf("SOCKS reply %d", byte(r)) }

// socks connects through the product. If the product refuses, the error is a refusal.
func (p *product) socks(ctx context.Context, host string, port int) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	request = append(request, byte(port>>8), byte(port))
	var reply [12]byte // the selected method, then the reply with an IPv4 address
	if _, err = conn.Write(request); err == nil {
		_, err = io.ReadFull(conn, reply[:])
	}
	if err == nil && reply[3] != 0 {
		err = refusal(reply[3])
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// An httpClient requests pages, each on a new connection.
type httpClient struct {
	name   string
	client *http.Client
}

// overSOCKS and overHTTP return clients for the product's two protocols.
func (p *product) overSOCKS() httpClient {
	return httpClient{"SOCKS", &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return p.socks(ctx, host, 80)
		},
	}}}
}

func (p *product) overHTTP() httpClient {
	return httpClient{"HTTP", &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		DisableKeepAlives: true, Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: p.address}),
	}}}
}

// requestTimeout is far longer than any request may take.
const requestTimeout = 20 * time.Second

// An answer is the result of one request.
type answer struct {
	pod     string // the Pod that answered; empty if none did
	failure string // the client's error; empty if there was none
	took    time.Duration
}

// get requests the front page of a Service, which names the Pod.
func (a httpClient) get(service string) answer {
	begun := time.Now()
	response, err := a.client.Get("http://" + service + "/")
	if err != nil {
		return answer{failure: err.Error(), took: time.Since(begun)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	got := answer{pod: response.Header.Get("X-Pod"), took: time.Since(begun)}
	switch {
	case err != nil:
		got.failure = "body: " + err.Error()
	case response.StatusCode != http.StatusOK:
		got.failure = fmt.Sprintf("%s: %.200s", response.Status, body)
	case len(body) == 0 || got.pod == "":
		got.failure = "an empty answer"
	}
	return got
}
