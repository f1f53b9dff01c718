package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/app/session"
)

// An authority signs certificates of proxies and their clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority returns an authority whose own certificate is in a file.
func newAuthority(t *testing.T, file string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{key: key, certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	raw, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
	return a
}

// issue writes a certificate for this machine's loopback address, and its key.
func (a authority) issue(t *testing.T, serial int64, certificate, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, own.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rawKey})))
	writeFile(t, certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
}

// A secured is a serve that other machines can reach, with TLS only. Its directory has the files that the snippets
// name.
type secured struct {
	*running
	authority
	folder, address, said string
}

func secure(t *testing.T) *secured {
	t.Helper()
	s := &secured{folder: t.TempDir()}
	s.authority = newAuthority(t, s.file("PROXY-CA.crt"))
	s.issue(t, 2, s.file("CLIENT.crt"), s.file("CLIENT.key"))
	s.issue(t, 3, s.file("proxy.crt"), s.file("proxy.key"))
	config := t.TempDir()
	writeFile(t, filepath.Join(config, "fairlead", "config.yaml"), "defaults:\n  tls: {cert: "+s.file("proxy.crt")+", key: "+
		s.file("proxy.key")+", client-ca: "+s.file("PROXY-CA.crt")+"}\n")
	s.running = start(t, []string{"XDG_CONFIG_HOME=" + config}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "0.0.0.0:0", "demo")
	s.said = s.line(t)
	var ok bool
	if _, s.address, ok = strings.Cut(s.said, "https://"); !ok {
		t.Fatalf("serve said %q", s.said)
	}
	return s
}

func (s *secured) file(name string) string { return filepath.Join(s.folder, name) }

// serial returns the serial number of the certificate that the proxy presents now.
func (s *secured) serial(t *testing.T) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestAProxyOfTLSAloneSaysWhatWorks(t *testing.T) {
	s := secure(t)
	if !strings.HasPrefix(s.said, "demo  https://127.0.0.1:") {
		t.Errorf("serve said %q", s.said)
	}
	eventually(t, "serve warns of other machines", func() bool {
		return strings.Contains(s.stderr.String(), "listens on 0.0.0.0:") && strings.Contains(s.stderr.String(), "Other machines can reach it")
	})
	if on := s.must(t, "on", "demo"); strings.TrimSpace(on) != s.said {
		t.Errorf("on says %q, serve %q", on, s.said)
	}
	if status := s.must(t, "status"); !strings.Contains(status, "Other machines can reach it.") || !strings.Contains(status, "TLS and a certificate") {
		t.Errorf("status does not say who may use it:\n%s", status)
	}
	for _, args := range [][]string{{"env", "demo"}, {"env", "demo", "--for", "java"}, {"open", "demo"}} {
		if got := s.ask(t, args...); got.status != 1 || got.stdout != "" || !strings.Contains(got.stderr, "TLS and a certificate") {
			t.Errorf("%s: %+v", args, got)
		}
	}

	hello := func(kind string) string {
		return strings.ReplaceAll(s.must(t, "env", "demo", "--for", kind), "SERVICE.NAMESPACE.svc", "hello.default.svc")
	}
	wantPage(t, run(t, s.folder, "sh", "-c", hello("curl")))
	writeFile(t, filepath.Join(s.folder, "go", "main.go"), "package main\n"+
		"import (\"crypto/tls\"; \"crypto/x509\"; \"io\"; \"net/http\"; \"net/url\"; \"os\")\n"+
		"func get() error {\n"+hello("go")+"_, err = io.Copy(os.Stdout, response.Body); return err\n}\n"+
		"func main() { if err := get(); err != nil { panic(err) } }\n")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.file("get"), "main.go")
	build.Dir = s.file("go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the snippet for Go: %v\n%s", err, out)
	}
	wantPage(t, run(t, s.folder, "./get"))
	// git reports the web server's answer, which is not a repository.
	out := run(t, s.folder, "sh", "-c", strings.TrimSpace(hello("git"))+" || true")
	if !strings.Contains(out, "not valid: is this a git repository") {
		t.Errorf("git did not reach the page:\n%s", out)
	}
}

func TestARenewedCertificateIsUsed(t *testing.T) {
	s := secure(t)
	if serial := s.serial(t); serial != 3 {
		t.Fatalf("serial %d", serial)
	}
	writeFile(t, s.file("proxy.crt"), "half a certific")
	eventually(t, "a broken certificate is told of", func() bool {
		return strings.Contains(s.must(t, "status"), "The listener's certificate")
	})
	if serial := s.serial(t); serial != 3 {
		t.Errorf("with a broken file the serial is %d", serial)
	}
	s.issue(t, 4, s.file("proxy.crt"), s.file("proxy.key"))
	eventually(t, "the new certificate is shown", func() bool { return s.serial(t) == 4 })
	s.phase(t, "demo", session.On)
	if told := strings.Count(s.stderr.String(), "change not applied"); told < 1 || told > 2 {
		t.Errorf("a broken certificate is logged %d times:\n%s", told, s.stderr)
	}

	// The authority of the clients changes, too.
	newAuthority(t, s.file("PROXY-CA.crt"))
	eventually(t, "clients of the old authority are turned away", func() bool {
		pair, err := tls.LoadX509KeyPair(s.file("CLIENT.crt"), s.file("CLIENT.key"))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
		if err != nil {
			return true
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = conn.Read(make([]byte, 1))
		return err != nil && !os.IsTimeout(err)
	})
}
