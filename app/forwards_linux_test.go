package main

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/app/session"
	"fairlead/build/testoutput"
)

// rolledDoors makes a program of this machine reachable as two Pods of a Deployment behind a Service.
func rolledDoors(t *testing.T, name, local string, port int) {
	t.Helper()
	apply(t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {fairlead.test/door: "%[2]s"}}
    spec:
      terminationGracePeriodSeconds: 4
      containers: [{name: door, image: demo.local/door, imagePullPolicy: Never, ports: [{name: %[1]s, containerPort: 8000}]}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{name: %[1]s, port: %[3]d, targetPort: %[1]s}]}
`, name, local, port))
	waitReady(t, name)
}

// startServer starts a server of this machine as a user, or as the current one, and waits until it accepts connections.
func startServer(t *testing.T, address string, as *syscall.Credential, dir string, args ...string) {
	t.Helper()
	log := &testoutput.Buffer{}
	server := exec.Command(args[0], args[1:]...)
	server.Dir, server.Stdout, server.Stderr, server.SysProcAttr = dir, log, log, &syscall.SysProcAttr{Credential: as}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", args[0], log)
		}
	})
	eventually(t, args[0]+" accepts connections", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// startPostgres starts PostgreSQL, which does not run as root, and returns its address.
func startPostgres(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		t.Fatal("PostgreSQL is not installed")
	}
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var as *syscall.Credential
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	bin, data := found[len(found)-1], filepath.Join(dir, "data")
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "--auth=trust", "--username=fairlead", "--no-sync", "-D", data)
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	address := freeAddress(t)
	startServer(t, address, as, dir, filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", localPort(t, address), "-k", dir, "-F")
	return address
}

func startRedis(t *testing.T) string {
	t.Helper()
	address, dir := freeAddress(t), t.TempDir()
	startServer(t, address, nil, dir, "redis-server", "--bind", "127.0.0.1", "--port", localPort(t, address), "--save", "", "--dir", dir)
	return address
}

// Database clients know no proxy. They are told localhost and a port, and do not notice that the Pods are replaced.
func TestDatabaseClientsWorkThroughARollout(t *testing.T) {
	rolledDoors(t, "postgres", startPostgres(t), 5432)
	rolledDoors(t, "redis", startRedis(t), 6379)
	r, at := serveForwards(t, `{forwards: [{listen: %s, to: "postgres:postgres"}, {listen: %s, to: "redis.default:redis"}]}`)
	if out := run(t, "", "bash", "-c", r.must(t, "env", "demo", "--for", "bash")+"psql -U fairlead -d postgres -Atc 'select 6*7' && redis-cli -u $REDIS_URL ping"); out != "42\nPONG\n" {
		t.Errorf("with the variables that fairlead env prints, the clients say %q", out)
	}
	ctx, rolled := context.WithCancel(t.Context())
	defer rolled()
	var queries, commands atomic.Int64
	var group errgroup.Group
	repeat := func(count *atomic.Int64, want string, args ...string) {
		group.Go(func() error {
			for ctx.Err() == nil {
				out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
				if err != nil || strings.TrimSpace(string(out)) != want {
					return fmt.Errorf("%s, after %d: %v\n%s", args[0], count.Load(), err, out)
				}
				count.Add(1)
			}
			return nil
		})
	}
	repeat(&queries, "42", "psql", "-h", "127.0.0.1", "-p", localPort(t, at[0]), "-U", "fairlead", "-d", "postgres", "-Atc", "select 6*7")
	repeat(&commands, "PONG", "redis-cli", "-p", localPort(t, at[1]), "ping")
	for _, name := range []string{"postgres", "redis"} {
		kubectl(t, "rollout", "restart", "deployment", name)
		kubectl(t, "rollout", "status", "deployment", name, "--timeout=120s")
	}
	before := [2]int64{queries.Load(), commands.Load()}
	eventually(t, "queries after the rollout", func() bool { return queries.Load() > before[0]+3 && commands.Load() > before[1]+3 || ctx.Err() != nil })
	rolled()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d queries and %d commands during two rollouts", queries.Load(), commands.Load())
}

func TestTwoHundredConnectionsAtOnceThroughALocalPort(t *testing.T) {
	_, at := serveForwards(t, `{forwards: [{listen: %s, to: "echo.default:7"}]}`)
	var group errgroup.Group
	for range 200 {
		group.Go(func() error {
			conn, err := net.Dial("tcp", at[0])
			if err != nil {
				return err
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
			sent, got := make([]byte, 100<<10), make([]byte, 100<<10)
			rand.Read(sent)
			var writing errgroup.Group
			writing.Go(func() error { _, err := conn.Write(sent); return err })
			_, err = io.ReadFull(conn, got)
			if err := errors.Join(err, writing.Wait()); err != nil {
				return err
			}
			if sha256.Sum256(sent) != sha256.Sum256(got) {
				return errors.New("the echo differs from what was sent")
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// A port stays the context's while its API server is away: its clients are reset, and served again when it is back.
func TestALocalPortOutlivesItsAPIServer(t *testing.T) {
	config, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(strings.TrimSpace(kubectl(t, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")))
	if err != nil {
		t.Fatal(err)
	}
	line := newCutLine(t, u.Host)
	kubeconfig, at := filepath.Join(t.TempDir(), "config"), freeAddress(t)
	writeFile(t, kubeconfig, strings.ReplaceAll(string(config), u.Host, line.listener.Addr().String()))
	settings := t.TempDir()
	writeFile(t, filepath.Join(settings, "fairlead", "config.yaml"), `contexts: {demo: {forwards: [{listen: `+at+`, to: "echo.default:7"}]}}`)
	r := start(t, []string{"XDG_CONFIG_HOME=" + settings}, "serve", "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0", "demo")
	r.line(t)
	if got := netcat(t, at, "before\n"); got != "before\n" {
		t.Fatalf("the echo says %q", got)
	}
	line.set(true)
	conn, err := net.Dial("tcp", at)
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = io.ReadAll(conn)
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("without the API server a client gets %v, want a reset", err)
	}
	r.phase(t, "demo", session.Unavailable)
	line.set(false)
	r.phase(t, "demo", session.On)
	if got := netcat(t, at, "after\n"); got != "after\n" {
		t.Errorf("the echo says %q", got)
	}
}

// A shop is a web application that takes requests for its own name alone, from its own pages. Its pages log in and report
// what they saw.
type shop struct {
	host, domain string
	reported     chan string
}

// loginCookies are the names of cookies that a shop needs to have back. All but the first are Secure, as those of most
// applications are that have TLS somewhere.
var loginCookies = []string{"session", "secure", "__Secure-session", "__Host-session"}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	loggedIn := !slices.ContainsFunc(loginCookies, func(name string) bool {
		cookie, err := r.Cookie(name)
		return err != nil || cookie.Value != "yes"
	})
	origin, sent := r.Header["Origin"]
	switch {
	case r.Host != s.host || sent && origin[0] != "http://"+s.host:
		http.Error(w, "not for this host", http.StatusMisdirectedRequest)
	case r.Method == http.MethodPost && r.URL.Path == "/login":
		for _, name := range loginCookies {
			cookie := &http.Cookie{Name: name, Value: "yes", Path: "/", Domain: s.domain, HttpOnly: true, Secure: name != "session"}
			if strings.HasPrefix(name, "__Host-") {
				cookie.Domain = "" // by its definition
			}
			http.SetCookie(w, cookie)
		}
		w.Header().Set("Location", "http://"+s.host+"/home")
		w.WriteHeader(http.StatusSeeOther)
	case r.URL.Path == "/login":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><form method="post" action="/login"><input name="user"></form><script>document.forms[0].submit()</script>`)
	case !loggedIn:
		w.Header().Set("Location", "http://"+s.host+"/login")
		w.WriteHeader(http.StatusFound)
	case r.URL.Path == "/home":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><script>
const s = new WebSocket("ws://" + location.host + "/socket");
const say = text => fetch("/report", {method: "POST", body: location.host + location.pathname + " " + text});
s.onmessage = e => say(e.data);
s.onclose = e => say("closed " + e.code);
</script>`)
	case r.URL.Path == "/socket":
		greetBySocket(w, r)
	case r.URL.Path == "/report":
		said, _ := io.ReadAll(r.Body)
		select {
		case s.reported <- string(said):
		default:
		}
	}
}

// greetBySocket answers a WebSocket's handshake (RFC 6455 4.2.2) and sends one text.
func greetBySocket(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x05hello",
		base64.StdEncoding.EncodeToString(sum[:]))
	_, _ = io.Copy(io.Discard, conn)
}

// A browser that knows no proxy logs in to a web application of the cluster at a local address, is led on from page to page,
// keeps its cookies and opens a WebSocket.
func TestABrowserUsesAWebApplicationAtALocalPort(t *testing.T) {
	s := &shop{host: "shop.default.svc", domain: "default.svc", reported: make(chan string, 1)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	door(t, "shop", server.Listener.Addr().String())
	_, at := serveForwards(t, `{forwards: [{listen: %s, to: "shop.default.svc:80", protocol: http}]}`)
	for _, host := range []string{"localhost", "127.0.0.1", "shop.localhost"} {
		host += ":" + localPort(t, at[0])
		var got string
		said := browse(t, "http://"+host+"/", func() {
			select {
			case got = <-s.reported:
			case <-time.After(2 * time.Minute):
			}
		})
		if want := host + "/home hello"; got != want {
			t.Errorf("the page reports %q, want %q; the browser said:\n%s", got, want, said)
		}
	}
}

// browse opens a URL in a browser that knows no proxy until a function returns, and returns what the browser has printed.
func browse(t *testing.T, url string, until func()) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser") // t.TempDir's path would be too long for a browser's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	browser := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server", "--user-data-dir="+dir+"/profile", "--remote-debugging-port=0",
		"--host-resolver-rules=MAP localhost 127.0.0.1", url)
	browser.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	said := &testoutput.Buffer{}
	browser.Stdout, browser.Stderr = said, said
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	until()
	_ = browser.Process.Kill()
	_ = browser.Wait()
	return said.String()
}
