package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/kube/fault"
)

func TestAnswersOfTheAPIServerKeepTheirFacts(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request) bool
		check  func(error) bool
	}{
		"401": {
			func(w http.ResponseWriter, r *http.Request) bool {
				fail(w, 401, "Unauthorized", "Unauthorized")
				return true
			},
			func(err error) bool {
				var login *fault.Login
				return errors.As(err, &login) && login.Context == "test" && login.Plugin == "" && errors.Is(err, fs.ErrPermission)
			},
		},
		"403 for Services": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "endpointslices") {
					return false
				}
				fail(w, 403, "Forbidden", `services "web" is forbidden: User "joe" cannot get resource`+strings.Repeat("x", 5000)+"\x1b")
				return true
			},
			func(err error) bool {
				var forbidden *fault.Forbidden
				return errors.As(err, &forbidden) && forbidden.Verbs[0] == "get" && forbidden.Resource == "services" && forbidden.Namespace == "team" &&
					forbidden.Name == "web" && strings.HasPrefix(forbidden.Text, `services "web"`) && len(forbidden.Text) <= maxText && errors.Is(err, fs.ErrPermission)
			},
		},
		"403 for EndpointSlices": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "endpointslices") {
					fail(w, 403, "Forbidden", "no")
					return true
				}
				return false
			},
			func(err error) bool {
				var forbidden *fault.Forbidden
				return errors.As(err, &forbidden) && forbidden.Verbs[0] == "list" && forbidden.Resource == "endpointslices.discovery.k8s.io"
			},
		},
		"503": {
			func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Retry-After", "3600")
				fail(w, 503, "ServiceUnavailable", "etcd is away")
				return true
			},
			func(err error) bool {
				return errors.As(err, new(*fault.Unreachable)) && errors.Is(err, syscall.EHOSTUNREACH) && strings.Contains(err.Error(), "503 ServiceUnavailable")
			},
		},
		"a page": {
			func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, "<html>sign in to the hotel</html>")
				return true
			},
			func(err error) bool {
				return errors.As(err, new(*fault.Unreachable)) && errors.Is(err, errForeign) && !strings.Contains(err.Error(), "hotel")
			},
		},
		"a page that is not found": {
			func(w http.ResponseWriter, r *http.Request) bool {
				http.NotFound(w, r)
				return true
			},
			func(err error) bool { return errors.As(err, new(*fault.Unreachable)) && errors.Is(err, errForeign) },
		},
		"without end": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "endpointslices") {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				chunk := make([]byte, 1<<20)
				for range maxAnswer>>20 + 16 {
					if _, err := w.Write(chunk); err != nil {
						break
					}
				}
				return true
			},
			func(err error) bool { return errors.Is(err, errTooLarge) },
		},
		"cut": {
			func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) },
			func(err error) bool { return errors.As(err, new(*fault.Unreachable)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			server.misbehave(test.answer)
			c := start(t, server.kubeconfig(t, "{token: s3cret}"), &fakeCarrier{}, nil)
			if err := dial(t, c, "web:80"); err == nil || !test.check(err) {
				t.Errorf("error %v", err)
			} else if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("secret in %v", err)
			}
		})
	}
}

func TestAnAPIServerThatIsNotThere(t *testing.T) {
	server := newAPIServer(t)
	kubeconfig := server.kubeconfig(t, "{token: t}")
	server.Close()
	c := start(t, kubeconfig, &fakeCarrier{}, nil)
	err := dial(t, c, "web:80")
	var away *fault.Unreachable
	if !errors.As(err, &away) || !errors.Is(err, syscall.ECONNREFUSED) || "https://"+away.Server != server.URL {
		t.Errorf("error %v", err)
	}
}

func TestAnAPIServerWithAnotherCertificate(t *testing.T) {
	server, other := newAPIServer(t), newAPIServer(t)
	kubeconfig := server.kubeconfig(t, "{token: t}")
	replaceIn(t, kubeconfig, server.URL, other.URL)
	replaceIn(t, kubeconfig, "certificate-authority: ca.crt", "tls-server-name: another.example, certificate-authority: ca.crt")
	c := start(t, kubeconfig, &fakeCarrier{}, nil)
	err := dial(t, c, "web:80")
	var name x509.HostnameError
	if !errors.As(err, new(*fault.Unreachable)) || !errors.As(err, &name) {
		t.Errorf("error %v", err)
	}
}

func TestAnAPIServerThatSaysNothing(t *testing.T) {
	var once sync.Once
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	server.misbehave(func(w http.ResponseWriter, r *http.Request) (hung bool) {
		once.Do(func() {
			<-r.Context().Done()
			hung = true
		})
		return hung
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	c.api.attempt = 300 * time.Millisecond
	if err := dial(t, c, "web:80"); err != nil {
		t.Errorf("the second attempt: %v", err)
	}
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.DialContext(ctx, "tcp", "lost:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a dial that ran out of time: %v", err)
	}
}

func TestStoppingEndsEveryDial(t *testing.T) {
	server := newAPIServer(t)
	entered := make(chan struct{}, 10)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		entered <- struct{}{}
		<-r.Context().Done()
		return true
	})
	config, _, err := restConfig(server.kubeconfig(t, "{token: t}"), "test")
	if err != nil {
		t.Fatal(err)
	}
	h := newHealth(nil)
	a, err := newAPI(config, "test", h)
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster("team", a, h, &fakeCarrier{}, testLog())
	// A dial may come before Run.
	failed := make(chan error, 1)
	go func() { failed <- dial(t, c, "web:80") }()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-entered
	cancel()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the dial: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := dial(t, c, "web:80"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a dial after the end: %v", err)
	}
	if err := c.Run(context.Background()); err == nil {
		t.Error("Run ran twice")
	}
}

func TestHealthIsToldOnceForEachChange(t *testing.T) {
	server := newAPIServer(t)
	var away atomic.Bool
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if !away.Load() {
			return false
		}
		fail(w, 503, "ServiceUnavailable", "away")
		return true
	})
	reports := make(chan error, 100)
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, func(err error) { reports <- err })
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	away.Store(true)
	for range 3 {
		if err := c.Check(t.Context()); !errors.As(err, new(*fault.Unreachable)) {
			t.Errorf("Check: %v", err)
		}
	}
	away.Store(false)
	// Nobody dials, and yet it is found again.
	waitFor(t, "a second report", func() bool { return len(reports) >= 2 })
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if first := <-reports; !errors.As(first, new(*fault.Unreachable)) {
		t.Errorf("first report %v", first)
	}
	if second := <-reports; second != nil {
		t.Errorf("second report %v", second)
	}
	if len(reports) > 0 {
		t.Errorf("one more report: %v", <-reports)
	}
}

func TestPluginsThatFailAreNamedAndTheirOutputIsNot(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	script := func(body string) string {
		path := filepath.Join(t.TempDir(), "plugin")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct{ command, mode, want string }{
		"missing":     {"fairlead-no-such-plugin", "Never", "executable not found"},
		"failing":     {script("echo s3cret; exit 3"), "Never", "exit code 3"},
		"chatty":      {script("echo 's3cret: [s3cret'"), "Never", "its output is not an ExecCredential"},
		"empty":       {script(`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}'`), "Never", "its output has no credentials"},
		"interactive": {script("exit 0"), "Always", "asks for a terminal"},
	} {
		t.Run(name, func(t *testing.T) {
			user := fmt.Sprintf("{exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: %s}}", test.command, test.mode)
			c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
			err := dial(t, c, "web:80")
			var login *fault.Login
			if !errors.As(err, &login) || login.Plugin != test.command || login.Err == nil || !strings.Contains(login.Err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			} else if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("secret in %v", err)
			}
		})
	}
}

func TestAFailingPluginIsNotRunForEveryDial(t *testing.T) {
	server := newAPIServer(t)
	runs := filepath.Join(t.TempDir(), "runs")
	user := fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "echo run >> %s; exit 1"], interactiveMode: Never}}`, runs)
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := dial(t, c, fmt.Sprintf("web-%d:80", i)); !errors.As(err, new(*fault.Login)) {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(runs)
	if err != nil {
		t.Fatal(err)
	}
	// One, and another where the machine is so slow that the plugin's rest is over before the last dial.
	if n := strings.Count(string(data), "run"); n > 2 {
		t.Errorf("the plugin ran %d times for 50 dials", n)
	}
	if len(server.requests()) > 0 {
		t.Errorf("asked %q", server.requests())
	}
}

func TestALoginThatWasRenewedIsUsedAtOnce(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	runs := filepath.Join(t.TempDir(), "runs")
	script := fmt.Sprintf(`echo run >> %s; echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t'$(wc -l < %s)'\"}}'`, runs, runs)
	user := fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "%s"], interactiveMode: Never}}`, script)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer t1" {
			fail(w, 401, "Unauthorized", "Unauthorized")
			return true
		}
		return false
	})
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Errorf("with a token that had expired: %v", err)
	}
}

func TestATokenFileThatIsGone(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, server.kubeconfig(t, fmt.Sprintf("{tokenFile: %q}", token)), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Kubeconfig: server.kubeconfig(t, fmt.Sprintf("{tokenFile: %q}", token)), Context: "test"}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Open: %v", err)
	}
}

func replaceIn(t *testing.T, path, old, with string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), old, with)), 0o600); err != nil {
		t.Fatal(err)
	}
}
