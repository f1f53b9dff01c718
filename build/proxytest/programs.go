package proxytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// A Certificates is a directory with an authority and certificates of it, in PEM: ca.crt, server.crt and server.key for
// localhost and 127.0.0.1 (server.pem has both), client.crt and client.key.
type Certificates struct {
	folder    string
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
}

// File returns the path of one of the files.
func (c Certificates) File(name string) string { return filepath.Join(c.folder, name) }

// NewCertificates makes certificates that are valid for an hour. With more names, the server's is for those, too.
func NewCertificates(t TB, names ...string) Certificates {
	t.Helper()
	c := Certificates{folder: t.TempDir()}
	if err := os.Chmod(c.folder, 0o755); err != nil { // proxies give up their rights
		t.Fatal(err)
	}
	c.key, c.authority = c.newAuthority(t)
	c.Issue(t, "server", &x509.Certificate{
		DNSNames: append([]string{"localhost"}, names...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	c.Issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return c
}

func (c Certificates) newAuthority(t TB) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "ca.crt", &pem.Block{Type: "CERTIFICATE", Bytes: der})
	return key, own
}

// Issue makes NAME.crt, NAME.key and NAME.pem, which has both, for a template that lacks what all of them have.
func (c Certificates) Issue(t TB, name string, template *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.authority, key.Public(), c.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, private := &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: secret}
	c.write(t, name+".crt", cert)
	c.write(t, name+".key", private)
	c.write(t, name+".pem", private, cert)
}

func (c Certificates) write(t TB, name string, blocks ...*pem.Block) {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(c.File(name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

var connected = regexp.MustCompile(`(?m)\b(?:CONNECT|GET|POST) (\S+) HTTP/`)

// Tinyproxy runs tinyproxy with further lines of configuration.
func Tinyproxy(t TB, o Options, more ...string) *Proxy {
	t.Helper()
	if o.Login {
		more = append(more, fmt.Sprintf("BasicAuth %s %s", User, Password))
	}
	var log string
	p := runProgram(t, "http", o, "tinyproxy", func(folder, port string) []string {
		log = filepath.Join(folder, "log")
		text := fmt.Sprintf("Port %s\nListen 127.0.0.1\nTimeout 600\nMaxClients 500\nAllow 127.0.0.1\nLogLevel Connect\nLogFile %q\n%s\n", port, log, strings.Join(more, "\n"))
		return []string{"tinyproxy", "-d", "-c", writeConfig(t, folder, text)}
	})
	p.tunnels = func() (asked []string) {
		said, err := os.ReadFile(log)
		if err != nil {
			t.Error(err)
		}
		for _, match := range connected.FindAllSubmatch(said, -1) {
			asked = append(asked, string(match[1]))
		}
		return asked
	}
	return p
}

// Squid runs squid with further lines of configuration.
func Squid(t TB, o Options, more ...string) *Proxy {
	t.Helper()
	return runProgram(t, "http", o, "squid", func(folder, port string) []string {
		text := fmt.Sprintf(`http_port 127.0.0.1:%s
acl all_ports port 1-65535
%s
http_access allow all_ports
cache deny all
pid_filename none
access_log none
cache_log %s/squid.log
coredump_dir %s
cache_effective_user proxy
shutdown_lifetime 0 seconds
`, port, strings.Join(more, "\n"), folder, folder)
		return []string{"squid", "-N", "-f", writeConfig(t, folder, text)}
	})
}

// Dante runs Dante's SOCKS server.
func Dante(t TB, o Options) *Proxy {
	t.Helper()
	return runProgram(t, "socks5", o, "dante", func(folder, port string) []string {
		text := fmt.Sprintf(`logoutput: %s/danted.log
internal: 127.0.0.1 port = %s
external: lo
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
`, folder, port)
		return []string{"danted", "-f", writeConfig(t, folder, text)}
	})
}

// Stunnel runs stunnel in front of another proxy. With clients it demands certificates of the same authority.
func Stunnel(t TB, c Certificates, clients bool, to *Proxy) *Proxy {
	t.Helper()
	p := runProgram(t, "https", Options{}, "stunnel", func(folder, port string) []string {
		text := fmt.Sprintf("foreground = yes\npid =\ndebug = 4\n[proxy]\naccept = 127.0.0.1:%s\nconnect = %s\ncert = %s\n", port, to.Address, c.File("server.pem"))
		if clients {
			text += fmt.Sprintf("CAfile = %s\nverifyChain = yes\nrequireCert = yes\n", c.File("ca.crt"))
		}
		return []string{"stunnel", writeConfig(t, folder, text)}
	})
	return p
}

// Mitmproxy runs mitmdump, which decrypts TLS. Its own authority is in the file that it returns.
func Mitmproxy(t TB, o Options, more ...string) (p *Proxy, authority string) {
	t.Helper()
	p = runProgram(t, "http", o, "mitmproxy", func(folder, port string) []string {
		authority = filepath.Join(folder, "mitmproxy-ca-cert.pem")
		return append([]string{"mitmdump", "--mode", "regular", "--listen-host", "127.0.0.1", "-p", port, "--set", "confdir=" + folder, "--quiet"}, more...)
	})
	return p, authority
}

func writeConfig(t TB, folder, text string) string {
	t.Helper()
	file := filepath.Join(folder, "conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// runProgram runs a proxy that listens on a free port, and which alone knows the addresses of Options.Hosts, whose values
// then are addresses without a port.
func runProgram(t TB, scheme string, o Options, name string, command func(folder, port string) []string) *Proxy {
	t.Helper()
	folder, err := os.MkdirTemp("", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })  // its children may still write there
	if err := os.Chmod(folder, 0o777); err != nil { // proxies give up their rights
		t.Fatal(err)
	}
	p := newProxy(t, scheme, o)
	p.Address = Dead(t)
	_, port, _ := net.SplitHostPort(p.Address)
	args := command(folder, port)
	if len(o.Hosts) > 0 {
		args = withHosts(t, folder, o.Hosts, args)
	}
	cmd := exec.Command(args[0], args[1:]...)
	setGroup(cmd)
	output, err := os.Create(filepath.Join(folder, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = output.Close() }() // the program has its own
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install the packages of build/proxytest/packages.txt", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		killGroup(cmd)
		<-ended
	})
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.Address)
		if err == nil {
			_ = conn.Close()
			return p
		}
		select {
		case <-ended:
		default:
			if time.Since(begun) < 60*time.Second {
				continue
			}
		}
		said, _ := os.ReadFile(output.Name())
		t.Fatalf("%s does not listen: %v\n%s", name, err, said)
	}
}

// withHosts returns a command that runs args with a file of hosts of its own.
func withHosts(t TB, folder string, hosts map[string]string, args []string) []string {
	t.Helper()
	text := "127.0.0.1 localhost\n"
	for host, address := range hosts {
		text += address + " " + host + "\n"
	}
	file := filepath.Join(folder, "hosts")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	unshare := []string{"unshare", "--mount"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	return append(append(unshare, "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, file), args...)
}
