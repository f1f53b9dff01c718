package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fairlead/app/session"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("FAIRLEAD_TEST_SOCKET"); path != "" {
		os.Exit(connectAsAnother(path))
	}
	if path := os.Getenv("FAIRLEAD_TEST_LISTEN"); path != "" {
		os.Exit(listenAsAnother(path))
	}
	goleak.VerifyTestMain(m)
}

// idle is a proxy that does not listen.
type idle struct{}

func (idle) Endpoints() session.Endpoints    { return session.ProxyAt("127.0.0.1:1080") }
func (idle) Serve(ctx context.Context) error { <-ctx.Done(); return nil }

// running is a model with the contexts a, b, prod and bad, which is not usable, and a server for it with its own
// socket. All of it ends with the test.
type running struct {
	model  *session.Manager
	path   string
	client *Client
	stop   func()
}

func run(t *testing.T, s Server) *running {
	t.Helper()
	r := &running{path: filepath.Join(t.TempDir(), "control.sock")}
	r.model = session.New(session.Config{Start: func(context.Context, string, bool, func(error)) (session.Proxy, error) { return idle{}, nil }})
	s.Model = r.model
	ln, err := Listen(r.path, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.model.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	group.Go(func() {
		if err := s.Serve(ctx, ln); err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	r.client = NewClient(r.path)
	r.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(func() { r.stop(); r.client.Close() })
	contexts := session.SetContexts{Entries: []session.Entry{{Name: "a"}, {Name: "b"}, {Name: "prod", Production: true}, {Name: "bad", Problem: "It has no server."}}}
	if err := r.model.Do(t.Context(), contexts); err != nil {
		t.Fatal(err)
	}
	return r
}

// waitForPhases waits until the contexts are in the given phases.
func (r *running) waitForPhases(t *testing.T, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got string
	for status, err := range r.client.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		var phases []string
		for _, c := range status.Contexts {
			phases = append(phases, string(c.Phase))
		}
		if got = strings.Join(phases, " "); got == want {
			return
		}
	}
	t.Fatalf("phases %s, want %s", got, want)
}

func TestContextsAreSwitchedOverTheSocket(t *testing.T) {
	r := run(t, Server{})
	ctx := t.Context()
	if err := r.client.On(ctx, []string{"a", "b"}, false, ""); err != nil {
		t.Fatal(err)
	}
	r.waitForPhases(t, "on on off off")
	if err := r.client.On(ctx, []string{"prod"}, false, ""); !errors.Is(err, session.ErrUnconfirmed) {
		t.Errorf("On(prod) = %v", err)
	}
	if err := r.client.On(ctx, []string{"prod"}, true, ""); err != nil {
		t.Error(err)
	}
	r.waitForPhases(t, "on on on off")
	if err := r.client.Off(ctx, []string{"a"}); err != nil {
		t.Error(err)
	}
	r.waitForPhases(t, "off on on off")
	if err := r.client.AllOff(ctx); err != nil {
		t.Error(err)
	}
	r.waitForPhases(t, "off off off off")
	if err := r.client.On(ctx, []string{"nope", "b"}, false, ""); !errors.Is(err, session.ErrUnknownContext) || !strings.Contains(err.Error(), `"nope"`) {
		t.Errorf("On(nope) = %v", err)
	}
	r.waitForPhases(t, "off on off off") // the known one is switched on in spite of the unknown one
	if err := r.client.On(ctx, []string{"bad"}, false, ""); !errors.Is(err, session.ErrUnusable) {
		t.Errorf("On(bad) = %v", err)
	}
}

func TestStatusHasTheTrafficOfWhatRuns(t *testing.T) {
	began := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	r := run(t, Server{
		Program: Program{Version: "1", Kind: "tray", Since: began, Log: "/log"},
		Traffic: func() map[string]Traffic {
			return map[string]Traffic{"a": {Open: 1, Total: 2, Sent: 3, Received: 4}, "b": {Total: 9}}
		},
	})
	if err := r.client.On(t.Context(), []string{"a"}, false, ""); err != nil {
		t.Fatal(err)
	}
	r.waitForPhases(t, "on off off off")
	status, err := r.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p := status.Program; p.PID != os.Getpid() || p.Kind != "tray" || p.Log != "/log" || !p.Since.Equal(began) {
		t.Errorf("program %+v", p)
	}
	if a := status.Contexts[0]; a.Name != "a" || a.Traffic == nil || *a.Traffic != (Traffic{1, 2, 3, 4}) || a.Address != "127.0.0.1:1080" {
		t.Errorf("a: %+v", a)
	}
	if b := status.Contexts[1]; b.Traffic != nil {
		t.Errorf("b is off and has traffic: %+v", b)
	}
}

func TestFunctionsOfTheServerAreCalledIfSet(t *testing.T) {
	var opened atomic.Value
	r := run(t, Server{
		Env: func(_ context.Context, name, program string) (Snippet, error) {
			return Snippet{Text: name + " for " + program, Note: "note"}, nil
		},
		Open: func(_ context.Context, name, url, browser string) error {
			opened.Store(name + " " + url + " " + browser)
			return errors.New("no browser")
		},
	})
	if got, err := r.client.Env(t.Context(), "a", "fish"); err != nil || got != (Snippet{"a for fish", "note"}) {
		t.Errorf("Env() = %+v, %v", got, err)
	}
	if err := r.client.Open(t.Context(), "b", "http://x", "c"); err == nil || err.Error() != "no browser" || opened.Load() != "b http://x c" {
		t.Errorf("Open() = %v, opened %v", err, opened.Load())
	}
	bare := run(t, Server{})
	if err := bare.client.Open(t.Context(), "b", "", ""); !errors.Is(err, ErrNotOffered) {
		t.Errorf("Open() = %v", err)
	}
	if _, err := bare.client.Env(t.Context(), "b", ""); !errors.Is(err, ErrNotOffered) {
		t.Errorf("Env() = %v", err)
	}
}

// The path and the query of a page may be secret, as is a password.
func TestTheLogHasOnlyTheHostOfAPage(t *testing.T) {
	var log strings.Builder
	r := run(t, Server{Log: zerolog.New(&log), Open: func(context.Context, string, string, string) error { return nil }})
	for _, page := range []string{"http://me:secret@grafana.monitoring/secret?token=secret#secret", "http://[secret", "secret"} {
		if err := r.client.Open(t.Context(), "a", page, ""); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "/v1/open") != 3 || !strings.Contains(text, "http://grafana.monitoring") {
		t.Errorf("logged\n%s", text)
	}
}

func TestRunningContextsAreQueriedAndRestarted(t *testing.T) {
	began := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	var r *running
	requireOn := func(name string) error {
		for _, s := range r.model.Snapshot().Contexts {
			if s.Name == name && s.Phase.Listening() {
				return nil
			}
		}
		return fmt.Errorf("context %s: %w", name, session.ErrNotOn)
	}
	quit := make(chan struct{}, 1)
	r = run(t, Server{
		SetNamespace: func(_ context.Context, name, namespace string) error {
			if namespace != "shop" {
				return fmt.Errorf("%s in %q", name, namespace)
			}
			return nil
		},
		Connections: func(name string) ([]Connection, error) {
			return []Connection{{Context: name, ID: 7, Protocol: "socks5", Client: "127.0.0.1:5", Target: "hello:80", Route: "cluster", Stage: "relay", Sent: 1, Received: 2, Since: began}}, requireOn(name)
		},
		Close: func(name string) (int, error) { return 3, requireOn(name) },
		Services: func(_ context.Context, name, namespace string) ([]Service, error) {
			return []Service{{Namespace: namespace, Name: name, Ports: []ServicePort{{80, "http"}}}}, requireOn(name)
		},
		LogIn: func(_ context.Context, name string) error { return requireOn(name) },
		Quit:  func() { quit <- struct{}{} },
	})
	ctx := t.Context()
	if err := r.client.Restart(ctx, []string{"a"}); !errors.Is(err, session.ErrNotOn) {
		t.Errorf("Restart(a) = %v", err)
	}
	if err := r.client.On(ctx, []string{"a"}, false, "nope"); err == nil || err.Error() != `a in "nope"` {
		t.Errorf("On(a, nope) = %v", err)
	}
	if err := r.client.On(ctx, []string{"a", "b"}, false, "shop"); err != nil {
		t.Fatal(err)
	}
	r.waitForPhases(t, "on on off off")
	if err := r.client.Restart(ctx, []string{"a", "prod"}); !errors.Is(err, session.ErrNotOn) || !strings.Contains(err.Error(), `"prod"`) {
		t.Errorf("Restart(a, prod) = %v", err)
	}
	r.waitForPhases(t, "on on off off")
	for _, names := range [][]string{nil, {"a", "b"}} {
		open, err := r.client.Connections(ctx, names)
		if err != nil || len(open) != 2 || open[1].Context != "b" || open[0].Target != "hello:80" || !open[0].Since.Equal(began) {
			t.Errorf("Connections(%q) = %+v, %v", names, open, err)
		}
		if closed, err := r.client.CloseConnections(ctx, names); err != nil || fmt.Sprint(closed) != "map[a:3 b:3]" {
			t.Errorf("CloseConnections(%q) = %v, %v", names, closed, err)
		}
	}
	if found, err := r.client.Services(ctx, "a", "ns"); err != nil || fmt.Sprint(found) != "[{ns a [{80 http}] }]" {
		t.Errorf("Services() = %+v, %v", found, err)
	}
	if err := r.client.LogIn(ctx, "a"); err != nil {
		t.Errorf("LogIn(a) = %v", err)
	}
	for what, err := range map[string]error{
		"LogIn":       r.client.LogIn(ctx, "prod"),
		"Connections": func() error { _, err := r.client.Connections(ctx, []string{"prod"}); return err }(),
		"Close":       func() error { _, err := r.client.CloseConnections(ctx, []string{"prod"}); return err }(),
		"Services":    func() error { _, err := r.client.Services(ctx, "prod", ""); return err }(),
	} {
		if !errors.Is(err, session.ErrNotOn) {
			t.Errorf("%s of what is off: %v", what, err)
		}
	}
	if err := r.client.Quit(ctx); err != nil {
		t.Errorf("Quit() = %v", err)
	}
	<-quit
	bare := run(t, Server{})
	for what, err := range map[string]error{
		"Quit":         bare.client.Quit(ctx),
		"LogIn":        bare.client.LogIn(ctx, "a"),
		"SetNamespace": bare.client.On(ctx, []string{"a"}, false, "x"),
	} {
		if !errors.Is(err, ErrNotOffered) {
			t.Errorf("%s without the function: %v", what, err)
		}
	}
}

func TestStreamsEndAndTheSocketIsRemovedWithTheProgram(t *testing.T) {
	r := run(t, Server{})
	seen := make(chan struct{}, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range r.client.Watch(context.Background()) {
			seen <- struct{}{}
		}
	}()
	<-seen
	r.stop()
	<-ended
	if _, err := os.Lstat(r.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if _, err := r.client.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Status() = %v", err)
	}
	if err := NewClient(filepath.Join(t.TempDir(), "none")).AllOff(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("AllOff() = %v", err)
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	r := run(t, Server{})
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/on", `{"contexts":["a"]`, 400},
		{"POST", "/v1/on", `{"context":"a"}`, 400},
		{"POST", "/v1/on", `{"contexts":["` + strings.Repeat("a", maxBody) + `"]}`, 400},
		{"GET", "/v1/on", "", 405},
		{"GET", "/", "", 404},
		{"POST", "/v1/off", "", 200},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://fairlead"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := r.client.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s %s %.30s: %s, want %d", c.method, c.path, c.body, response.Status, c.status)
		}
	}
	r.waitForPhases(t, "off off off off")
}

func TestStatusIsFlatJSON(t *testing.T) {
	text, err := json.Marshal(Context{Name: "a", Phase: session.On, Traffic: &Traffic{Open: 1}})
	if want := `{"name":"a","phase":"on","wanted":false,"usable":false,"traffic":{"open":1,"total":0,"sent":0,"received":0}}`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

func TestSocketOfALivingProgramIsKeptAndOfADeadOneReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "control.sock")
	listen := func(replace bool) (net.Listener, error) { return Listen(path, replace, zerolog.Nop()) }
	first, err := listen(false)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]os.FileMode{path: 0o600 | os.ModeSocket, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Lstat(file); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	if _, err := listen(false); !errors.Is(err, ErrTaken) {
		t.Errorf("while another program listens: %v", err)
	}
	second, err := listen(true)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		conn, err := second.Accept()
		if err == nil {
			err = conn.Close()
		}
		accepted <- err
	}()
	if err := first.Close(); err != nil { // the second keeps its socket
		t.Error(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	// A killed program leaves its socket behind.
	if err := second.(*socket).UnixListener.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := listen(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Listen("/"+strings.Repeat("long/", 30), false, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "103 bytes") {
		t.Errorf("a long path: %v", err)
	}
}

// connectAsAnother is the client of another user, if the test has root. It connects to the socket at path, and returns
// 0 if the connection is closed without a byte.
func connectAsAnother(path string) int {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 2
	}
	defer conn.Close()
	if text, _ := io.ReadAll(conn); len(text) > 0 {
		return 1
	}
	return 0
}

// listenAsAnother is the program of another user, if the test has root. It listens at path, and prints what one client
// sends.
func listenAsAnother(path string) int {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return 2
	}
	fmt.Println("listening")
	conn, err := ln.Accept()
	if err != nil {
		return 3
	}
	text, _ := io.ReadAll(conn)
	fmt.Printf("heard %q\n", text)
	return 0
}
