package kube

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/fault"
)

func TestAnswersOfTheAPIServerKeepTheirFacts(t *testing.T) {
	before := api.AnswerBounds
	api.AnswerBounds.Bytes = 4 << 20 // a busy machine would take too long to read an endless answer
	t.Cleanup(func() { api.AnswerBounds = before })
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
					forbidden.Name == "web" && strings.HasPrefix(forbidden.Text, `services "web"`) && len(forbidden.Text) <= api.MaxText && errors.Is(err, fs.ErrPermission)
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
				var busy *fault.Busy
				return errors.As(err, new(*fault.Unreachable)) && errors.Is(err, syscall.EHOSTUNREACH) && errors.As(err, &busy) &&
					busy.Status == 503 && busy.After == time.Hour
			},
		},
		"503 without a pause": {
			func(w http.ResponseWriter, r *http.Request) bool {
				fail(w, 503, "ServiceUnavailable", "etcd is away")
				return true
			},
			func(err error) bool {
				return errors.As(err, new(*fault.Unreachable)) && !errors.As(err, new(*fault.Busy)) && strings.Contains(err.Error(), "503 ServiceUnavailable")
			},
		},
		"403 of a proxy on the way": {
			func(w http.ResponseWriter, r *http.Request) bool {
				http.Error(w, "no entry", http.StatusForbidden)
				return true
			},
			func(err error) bool {
				var blocked *fault.Blocked
				return errors.As(err, &blocked) && blocked.Status == 403 && !errors.As(err, new(*fault.Forbidden))
			},
		},
		"a page": {
			func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, "<html>sign in to the hotel</html>")
				return true
			},
			func(err error) bool {
				return errors.As(err, new(*fault.Unreachable)) && errors.Is(err, api.ErrForeign) && !strings.Contains(err.Error(), "hotel")
			},
		},
		"a page that is not found": {
			func(w http.ResponseWriter, r *http.Request) bool {
				http.NotFound(w, r)
				return true
			},
			func(err error) bool { return errors.As(err, new(*fault.Unreachable)) && errors.Is(err, api.ErrForeign) },
		},
		"without end": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "endpointslices") {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				chunk := bytes.Repeat([]byte(" "), 1<<20)
				for range api.AnswerBounds.Bytes>>20 + 16 {
					if _, err := w.Write(chunk); err != nil {
						break
					}
				}
				return true
			},
			func(err error) bool {
				big, ok := errors.AsType[*fault.Oversized](err)
				return ok && big.Of == fault.Bytes && "https://"+big.Server == server.URL && errors.Is(err, syscall.EMSGSIZE)
			},
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
	c.api.AttemptTimeout = 300 * time.Millisecond
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
	h := api.NewHealth(nil)
	a, err := api.New(api.Config{REST: config, Context: "test"}, h)
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster("team", a, &fakeCarrier{}, testLog())
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

func TestHealthReportsEachChangeOnce(t *testing.T) {
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
	// Its recovery is noticed without a dial.
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
