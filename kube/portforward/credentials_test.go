package portforward

import (
	"crypto/x509"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"
)

// A client certificate that is replaced in its file, as tools do that rotate them, is used for all sessions within
// seconds. Open connections stay.
func TestARotatedCertificateRetiresSessions(t *testing.T) {
	w := newWorld(t)
	a := newAuthority(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	replace := func(name string) {
		cert, key := a.issue(t, name)
		writeFile(t, keyFile, string(key), 0o600)
		writeFile(t, certFile, string(cert), 0o600)
	}
	replace("alice")
	address, who := mutual(t, w, a, "api.example")
	f := w.forwarder(func(c *Config) {
		c.REST = &rest.Config{Host: "https://" + address, TLSClientConfig: rest.TLSClientConfig{CertFile: certFile, KeyFile: keyFile, CAData: a.pem, ServerName: "api.example"}}
	})
	open := mustDial(t, f, 7)
	defer open.Close()
	echoes(t, open, "hello")
	if who() != "alice" {
		t.Fatalf("the API server saw %q", who())
	}
	replace("alice-renewed")
	eventually(t, "the open connection's session is retired", func() bool {
		f.pool.checkCredentials(t.Context())
		f.pool.mu.Lock()
		defer f.pool.mu.Unlock()
		for _, p := range f.pool.pods {
			for _, s := range p.sessions {
				if s.users > 0 && s.retired {
					return true
				}
			}
		}
		return false
	})
	next := mustDial(t, f, 7)
	defer next.Close()
	echoes(t, next, "hello")
	if who() != "alice-renewed" {
		t.Errorf("a new session came from %q", who())
	}
	echoes(t, open, "an open connection lives on")
}

// TLS sessions are resumed: with their tickets a handshake costs a third of the work.
func TestTLSSessionsAreResumed(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	eventually(t, "a session is resumed", func() bool {
		if _, err := request(t, f, at(7)); err != nil {
			t.Fatal(err)
		}
		w.cutAndNoticed(f)
		return w.resumed.Load() > 0
	})
}

// A resumed session has the certificate that it began with.
func TestTicketsBelongToOneCertificate(t *testing.T) {
	var r route
	alice, bob := identity{1}, identity{2}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	first := r.sessionCache(alice, roots)
	if r.sessionCache(alice, roots) != first {
		t.Error("tickets are thrown away")
	}
	if r.sessionCache(bob, roots) == first {
		t.Error("tickets of one certificate are used with another")
	}
	second := r.sessionCache(alice, roots)
	if second == first {
		t.Error("the tickets of a replaced certificate are kept")
	}
	if r.sessionCache(alice, others) == second {
		t.Error("the tickets of a server are kept whose roots have changed")
	}
}
