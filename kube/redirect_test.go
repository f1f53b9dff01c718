package kube

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// A trap records its requests. It answers like an API server that has every object.
type trap struct {
	mu   sync.Mutex
	seen []string // "METHOD path Authorization"
}

func (s *trap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
	respond(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "Service"})
}

func (s *trap) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// A redirect of an API server sends neither the token nor the request to another server, not even to one on this machine.
func TestNoRedirectLeavesTheAPIServer(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, scheme := range []string{"http", "https"} {
			caught := &trap{}
			other := httptest.NewServer(caught)
			server := newAPIServer(t)
			if scheme == "https" {
				other.Close()
				other = httptest.NewTLSServer(caught) // httptest's servers have one certificate
			}
			server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, other.URL+r.URL.Path+"?token=s3cret", code)
				return true
			})
			c := start(t, server.kubeconfig(t, "{token: s3cret}"), &fakeCarrier{}, nil)
			ask := map[string]func() error{
				"dial":  func() error { return dial(t, c, "web:80") },
				"check": func() error { return c.Check(t.Context()) },
				"look":  func() error { return c.api.Probe(t.Context()) },
			}
			for what, ask := range ask {
				err := ask()
				away, ok := errors.AsType[*fault.Unreachable](err)
				redirect, isRedirect := errors.AsType[*fault.Redirect](err)
				if !ok || !isRedirect || "https://"+away.Server != server.URL || redirect.To != other.URL || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%d to %s, %s: %v", code, scheme, what, err)
				}
			}
			if _, err := objects.ListSlices(t.Context(), c.api.Streams, objects.ServiceKey{Namespace: "team", Name: "web"}); !errors.As(err, new(*fault.Redirect)) {
				t.Errorf("%d to %s, streams: %v", code, scheme, err)
			}
			if seen := caught.requests(); len(seen) > 0 {
				t.Errorf("%d to %s: the other server got %q", code, scheme, seen)
			}
			other.Close()
		}
	}
}

// A redirect within the API server is followed, as by kubectl, but not forever.
func TestRedirectsWithinTheAPIServerAreFollowed(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	for _, circle := range []bool{false, true} {
		server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Has("moved") && !circle {
				return false
			}
			r.URL.RawQuery += "&moved"
			http.Redirect(w, r, r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return true
		})
		c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
		err := dial(t, c, "web:80")
		if circle != errors.As(err, new(*fault.Redirect)) || !circle && err != nil {
			t.Errorf("in a circle %v: %v", circle, err)
		}
	}
}
