package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"fairlead/kube/fault"
	"fairlead/kube/heads"
	"fairlead/kube/objects"
)

// bomb answers with a head of a few MiB, each of whose fields takes many times its bytes in memory.
func bomb(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor > 1 {
		for i := range 20_000 {
			w.Header().Set("X-"+strconv.Itoa(i), strings.Repeat("y", 100))
		}
		return
	}
	conn, out, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close() // the end
	_, _ = out.WriteString("HTTP/1.1 200 OK\r\n")
	for i := range 400_000 {
		if _, err := fmt.Fprintf(out, "%x:\r\n", i); err != nil {
			return
		}
	}
	_, _ = out.WriteString("\r\n")
	_ = out.Flush() // the client may have closed the connection
}

func TestAHeadTakesLittleMemory(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		server := newAPIServer(t)
		if protocol == "HTTP/2.0" {
			server.Close()
			server.Server = httptest.NewUnstartedServer(server)
			server.EnableHTTP2 = true
			server.StartTLS()
			t.Cleanup(server.Server.Close)
		}
		spoken := make(chan string, 100)
		server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
			spoken <- r.Proto
			bomb(w, r)
			return true
		})
		c := start(t, server.kubeconfig(t, "{token: abcd}"), &fakeCarrier{}, nil)
		key := objects.ServiceKey{Namespace: "team", Name: "web"}
		for _, authority := range []string{"first", "second"} {
			for name, ask := range map[string]func() error{
				"question":  func() error { return c.Check(t.Context()) },
				"anonymous": func() error { return c.api.Probe(t.Context()) },
				"stream":    func() error { _, err := objects.ListSlices(t.Context(), c.api.Streams, key); return err },
			} {
				var err error
				most := peak(func() { err = ask() })
				// Over HTTP/2 the error is the head's or the connection's, depending on the frames.
				big, ok := errors.AsType[*fault.Oversized](err)
				if err == nil || protocol == "HTTP/1.1" && (!ok || big.Of != fault.Bytes || big.Bound != heads.MaxBytes) {
					t.Errorf("%s, %s, %s authority: %T %v", protocol, name, authority, err, err)
				}
				if most > mostMemory/4 {
					t.Errorf("%s, %s, %s authority: %d MiB", protocol, name, authority, most>>20)
				}
				if got := <-spoken; name == "stream" && got != protocol {
					t.Errorf("%s is spoken, not %s", got, protocol)
				}
				for len(spoken) > 0 {
					<-spoken
				}
			}
			if err := c.api.Trust([]byte(server.pem())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAHeadOfManyFieldsIsNoAnswer(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	fields := 200
	server.misbehave(func(w http.ResponseWriter, _ *http.Request) bool {
		for i := range fields {
			w.Header().Add("X", strconv.Itoa(i))
		}
		return false
	})
	c := start(t, server.kubeconfig(t, "{token: abcd}"), &fakeCarrier{}, nil)
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("%d fields: %v", fields, err)
	}
	fields = 300
	err := c.Check(t.Context())
	if big, ok := errors.AsType[*fault.Oversized](err); !ok || big.Of != fault.Fields {
		t.Errorf("%d fields: %T %v", fields, err, err)
	}
}

func TestAnIssuersHeadTakesLittleMemory(t *testing.T) {
	server, issuer := newAPIServer(t), newAPIServer(t)
	asked := make(chan bool, 100)
	issuer.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		asked <- true
		bomb(w, r)
		return true
	})
	for name, authority := range map[string]string{
		"of its own":   "idp-certificate-authority-data: " + base64.StdEncoding.EncodeToString([]byte(issuer.pem())),
		"the system's": "unused: x",
	} {
		to := issuer.URL
		if name == "the system's" {
			plain := httptest.NewServer(issuer) // without TLS
			t.Cleanup(plain.Close)
			to = plain.URL
		}
		user := fmt.Sprintf(`{auth-provider: {name: oidc, config: {idp-issuer-url: %q, client-id: %q, refresh-token: abcd, %s}}}`, to, name, authority)
		c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
		var err error
		most := peak(func() { err = c.Check(t.Context()) })
		if err == nil || len(asked) == 0 {
			t.Errorf("%s: %v, asked %d times", name, err, len(asked))
		}
		if most > mostMemory/4 {
			t.Errorf("%s: %d MiB", name, most>>20)
		}
		for len(asked) > 0 {
			<-asked
		}
	}
}
