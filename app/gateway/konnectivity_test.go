package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/settings"
	"fairlead/build/proxytest"
	"fairlead/proxy"
)

func TestPACSendsHostsOutsideToKonnectivity(t *testing.T) {
	to := []settings.Pattern{{Name: "*.corp.example"}}
	c := settings.Context{Outside: settings.Direct, Routes: []settings.Route{{To: to, Via: settings.Direct}}}
	for carrier, want := range map[string]bool{"": false, settings.KonnectivityCarrier: true} {
		c.Carrier = carrier
		routes, others := pacRoutes(c)
		if others != want || len(routes) != 1 || routes[0].Direct == want {
			t.Errorf("carrier %q: %+v, others %t", carrier, routes, others)
		}
	}
	c.Outside = settings.Refuse
	if _, others := pacRoutes(c); others {
		t.Error("refused hosts outside are sent to the Konnectivity server")
	}
}

func TestKonnectivityFilesSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	none := filepath.Join(dir, "none")
	text := file("text", "no certificate")
	locked := file("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	c := proxytest.NewCertificates(t)
	c.Issue(t, "early", &x509.Certificate{NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)})
	cert, early := c.File("client.crt"), c.File("early.crt")
	for want, k := range map[string]settings.Konnectivity{
		"the Konnectivity server: the authority of its certificate: open " + none:                    {CA: none},
		"the Konnectivity server: the authority of its certificate: " + text + " has no certificate": {CA: text},
		"the Konnectivity server: the client certificate: open " + none:                              {Cert: none, Key: text},
		"the Konnectivity server: the client certificate: " + text + " has no certificate":           {Cert: text, Key: text},
		"the Konnectivity server: the key of the client certificate: open " + none:                   {Cert: cert, Key: none},
		"the Konnectivity server: the key of the client certificate: " + locked + " is encrypted":    {Cert: cert, Key: locked},
		"the Konnectivity server: the client certificate: " + early + " is not valid before":         {Cert: early, Key: locked},
	} {
		if err := CheckKonnectivity(k); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", k, err, want)
		}
	}
}

// TestKonnectivityRefusesWhatItMayNotReach is about addresses that mean the agent's own machine, and about names without DNS.
func TestKonnectivityRefusesWhatItMayNotReach(t *testing.T) {
	carrier, err := newKonnectivity(settings.Konnectivity{Server: "http://127.0.0.1:1"}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	var names proxy.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("not asked") })
	b := newBeyond(carrier, names, settings.Konnectivity{DNS: settings.NoDNS})
	for _, address := range []string{"127.0.0.1:80", "[::1]:80", "169.254.169.254:80", "0.0.0.0:80", "[::ffff:127.0.0.1]:80", "db.corp.example:5432"} {
		if _, err := b.DialContext(t.Context(), "tcp", address); !errors.As(err, new(*proxy.RouteError)) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// dialFunc is a function as a proxy.Dialer.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}
