package proxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
)

// An authority signs certificates for a test, and keeps them in files for curl.
type authority struct {
	t      *testing.T
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, folder: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("authority.crt", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.folder, name) }

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue makes name.crt and name.key.
func (a *authority) issue(name string, usage x509.ExtKeyUsage) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secured makes a proxy's config speak TLS with a server certificate of a.
func (a *authority) secured(config proxy.Config) proxy.Config {
	config.TLS = &tls.Config{Certificates: []tls.Certificate{a.issue("server", x509.ExtKeyUsageServerAuth)}, ClientCAs: a.pool()}
	return config
}

func (a *authority) curlArgs(client, address string) []string {
	return []string{"--proxy", "https://" + address, "--proxy-cacert", a.file("authority.crt"), "--proxy-cert", a.file(client + ".crt"), "--proxy-key", a.file(client + ".key")}
}

func TestCurlSpeaksToAnHTTPSProxy(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	to := strings.TrimPrefix(site.URL, "http://")
	a, other := newAuthority(t), newAuthority(t)
	config := a.secured(proxy.Config{Rules: []proxy.Rule{{Name: "cluster", Dialer: through{names: map[string]string{"hello.default:80": to}}}}})
	w := open(t, config)
	a.issue("client", x509.ExtKeyUsageClientAuth)
	other.issue("client", x509.ExtKeyUsageClientAuth)
	for _, more := range []string{"--no-proxytunnel", "--proxytunnel"} {
		out, code := curl(t, append(a.curlArgs("client", w.addr), more, "http://hello.default/")...)
		if code != 0 || out != "hello" {
			t.Errorf("%s: exit %d, %q", more, code, out)
		}
		foreign := append(other.curlArgs("client", w.addr), "--proxy-cacert", a.file("authority.crt"), more, "http://hello.default/")
		if out, code := curl(t, foreign...); code == 0 || strings.Contains(out, "hello") {
			t.Errorf("%s with a foreign certificate: exit %d, %q", more, code, out)
		}
		without := []string{"--proxy", "https://" + w.addr, "--proxy-cacert", a.file("authority.crt"), more, "http://hello.default/"}
		if out, code := curl(t, without...); code == 0 || strings.Contains(out, "hello") {
			t.Errorf("%s without a certificate: exit %d, %q", more, code, out)
		}
	}
	if out, code := curl(t, "--proxy", "socks5h://"+w.addr, "http://hello.default/"); code != 0 || out != "hello" {
		t.Errorf("plain SOCKS5 beside it: exit %d, %q", code, out)
	}
	config.RequireTLS = true
	w.server.Reconfigure(config)
	for scheme, says := range map[string]string{"socks5h": "(97)", "socks4a": "(97)", "http": "this proxy speaks TLS only"} {
		if out, _ := curl(t, "--proxy", scheme+"://"+w.addr, "http://hello.default/"); !strings.Contains(out, says) {
			t.Errorf("plain %s where TLS is required: %q", scheme, out)
		}
	}
	if out, code := curl(t, append(a.curlArgs("client", w.addr), "http://hello.default/")...); code != 0 || out != "hello" {
		t.Errorf("TLS where it is required: exit %d, %q", code, out)
	}
	w.waitReports(3) // the new configuration reports to nobody
}

func (a *authority) clientTLS(client tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: a.pool(), ServerName: "localhost", Certificates: []tls.Certificate{client}}
}

// dialTLS opens a TLS connection to the proxy.
func (w *world) dialTLS(a *authority, client tls.Certificate) *tls.Conn {
	w.t.Helper()
	conn := tls.Client(w.connect(), a.clientTLS(client))
	if err := conn.HandshakeContext(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

func TestTunnelsInsideTLSKeepTheirEnds(t *testing.T) {
	release := make(chan struct{})
	late := target(t, func(conn *net.TCPConn) {
		all, _ := io.ReadAll(conn)
		<-release
		_, _ = conn.Write([]byte("got " + string(all)))
	})
	cut := target(t, func(conn *net.TCPConn) {
		_, _ = conn.Write([]byte("half"))
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.SetLinger(0)
	})
	a := newAuthority(t)
	w := open(t, a.secured(direct()))
	client := a.issue("client", x509.ExtKeyUsageClientAuth)

	conn := w.dialTLS(a, client)
	_, _ = conn.Write(append(socksRequest(late), "question"...))
	if code := readSOCKS(t, conn); code != 0 {
		t.Fatalf("reply %d", code)
	}
	_ = conn.CloseWrite()
	close(release)
	if got, err := io.ReadAll(conn); err != nil || string(got) != "got question" {
		t.Errorf("%q, %v", got, err)
	}

	conn = w.dialTLS(a, client)
	_, _ = conn.Write(socksRequest(cut))
	if code := readSOCKS(t, conn); code != 0 {
		t.Fatalf("reply %d", code)
	}
	_ = readFull(t, conn, make([]byte, 4))
	_, _ = conn.Write([]byte("x"))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a cut transfer ends with %v", err)
	}

	conn = w.dialTLS(a, client)
	_, _ = conn.Write(socksRequest("nobody.example:80"))
	if code := readSOCKS(t, conn); code != 4 {
		t.Errorf("reply %d", code)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after a refusal %v", err)
	}
	w.waitReports(3)
}

func TestTLSWithoutAuthoritiesTrustsNobody(t *testing.T) {
	a := newAuthority(t)
	config := a.secured(direct())
	config.TLS.ClientCAs, config.TLS.ClientAuth = nil, tls.NoClientCert
	w := open(t, config)
	a.issue("client", x509.ExtKeyUsageClientAuth)
	for _, args := range [][]string{a.curlArgs("client", w.addr), {"--proxy", "https://" + w.addr, "--proxy-insecure"}} {
		if out, code := curl(t, append(args, "http://x.example/")...); code == 0 {
			t.Errorf("curl %v: %q", args, out)
		}
	}
}

func TestTLSIsRefusedWhereThereIsNone(t *testing.T) {
	w := open(t, direct())
	conn := w.connect()
	_, _ = conn.Write([]byte("\x16\x03\x01\x00\x05hello"))
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes", n)
	}
	if !w.logged("0x16") || !strings.Contains(w.logText(), `"level":"warn"`) || !strings.Contains(w.logText(), "http:// or socks5h:// in place of https://") {
		t.Errorf("log:\n%s", w.logText())
	}
	// A client that tries again and again fills no log.
	for range 3 {
		again := w.connect()
		_, _ = again.Write([]byte("\x16\x03\x01\x00\x05hello"))
		_, _ = again.Read(make([]byte, 1)) // waits for its end
	}
	if n := strings.Count(w.logText(), "TLS spoken to a plain port"); n != 1 {
		t.Errorf("%d lines:\n%s", n, w.logText())
	}
}
