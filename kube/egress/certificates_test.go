package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"
)

// handshake returns why a client and a proxy do not accept each other.
func handshake(t *testing.T, proxy, client *tls.Config) error {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	deadline := time.Now().Add(30 * time.Second)
	if err := errors.Join(a.SetDeadline(deadline), b.SetDeadline(deadline)); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		err := tls.Server(a, proxy).Handshake()
		_ = a.Close()
		served <- err
	}()
	err := tls.Client(b, client).Handshake()
	_ = b.Close()
	return errors.Join(err, <-served)
}

func pool(t *testing.T, authority []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		t.Fatal("no authority")
	}
	return pool
}

func pair(t *testing.T, cert, key []byte) []tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{pair}
}

func TestCertificatesAreForOneProxyAndItsClient(t *testing.T) {
	c, err := NewCertificates("tools", "corp.local")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCertificates("tools", "corp.local")
	if err != nil {
		t.Fatal(err)
	}
	proxy := func(c *Certificates) *tls.Config {
		return &tls.Config{Certificates: pair(t, c.Server, c.ServerKey), ClientCAs: pool(t, c.Authority), ClientAuth: tls.RequireAndVerifyClientCert}
	}
	client := func(name string) *tls.Config {
		return &tls.Config{Certificates: pair(t, c.Client, c.ClientKey), RootCAs: pool(t, c.Authority), ServerName: name}
	}
	for _, name := range []string{"fairlead-egress", "fairlead-egress.tools", "fairlead-egress.tools.svc", "fairlead-egress.tools.svc.corp.local"} {
		if err := handshake(t, proxy(c), client(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	const name = "fairlead-egress.tools.svc"
	backwards := client(name)
	backwards.Certificates = pair(t, c.Server, c.ServerKey)
	swapped := proxy(c)
	swapped.Certificates = pair(t, c.Client, c.ClientKey)
	unknown := client(name)
	unknown.Certificates = pair(t, other.Client, other.ClientKey)
	none := client(name)
	none.Certificates = nil
	for what, got := range map[string]error{
		"a proxy of another namespace":   handshake(t, proxy(c), client("fairlead-egress.default.svc")),
		"a proxy of another authority":   handshake(t, proxy(other), client(name)),
		"a client of another authority":  handshake(t, proxy(c), unknown),
		"a client without a certificate": handshake(t, proxy(c), none),
		"a client with the proxy's":      handshake(t, proxy(c), backwards),
		"a proxy with the client's":      handshake(t, swapped, client(name)),
	} {
		if got == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}
