package gateway

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/app/settings"
	"fairlead/build/proxytest"
)

// The certificate of connections to a Konnectivity server is renewed like an upstream's: a file after the other, and what
// was made last is used until both fit.
func TestACertificateIsUsedUntilTheNextOneFits(t *testing.T) {
	dir, c := t.TempDir(), proxytest.NewCertificates(t)
	c.Issue(t, "next", &x509.Certificate{NotAfter: time.Now().Add(time.Hour)})
	c.Issue(t, "old", &x509.Certificate{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	cert, key := filepath.Join(dir, "own.crt"), filepath.Join(dir, "own.key")
	put := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(c.File(from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificates, k := &clientCertificates{}, settings.Konnectivity{CA: c.File("ca.crt"), Cert: cert, Key: key}
	used := func() string {
		config, err := konnectivityTLS(certificates, k)
		if err != nil {
			return err.Error()
		}
		return string(config.Certificates[0].Certificate[0])
	}
	if got := used(); !strings.Contains(got, "the Konnectivity server: the client certificate: ") {
		t.Errorf("without files: %q", got)
	}
	put("client.crt", cert)
	put("client.key", key)
	first := used()
	put("next.crt", cert)
	if got := used(); got != first {
		t.Errorf("with one file of two there is another certificate, or none: %q", got)
	}
	put("next.key", key)
	next := used()
	if next == first || strings.Contains(next, "client certificate") {
		t.Errorf("with both files there is %q", next)
	}
	if again := used(); again != next {
		t.Errorf("without a change there is %q", again)
	}
	put("old.crt", cert)
	put("old.key", key)
	if got := used(); !strings.Contains(got, "expired at") {
		t.Errorf("with a certificate that has expired: %q", got)
	}
}
