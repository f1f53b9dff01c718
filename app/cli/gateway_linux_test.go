package cli

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/proxytest"
	"fairlead/build/testoutput"
)

// A pod is a Fairlead as a Pod has it: in a network of its own, without a home directory, on a file system that it cannot
// write to.
type pod struct {
	cmd     *exec.Cmd
	address string // of the Pod
	outside string // of this machine, as the Pod sees it
	log     testoutput.Buffer
	ended   chan error
}

// script waits until the network is there, sets it up, and becomes the program.
const script = `set -e
mount -o remount,bind,ro /
! touch /var/x 2>&-
echo made
read -r address
ip link set lo up
ip addr add "$address/30" dev eth0
ip link set eth0 up
exec "$@"`

// startPod runs a command line of Fairlead in a network that this machine is connected to.
func startPod(t *testing.T, args ...string) *pod {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, for a network of its own")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &pod{ended: make(chan error, 1)}
	p.cmd = exec.Command("unshare", append([]string{"--net", "--mount", "sh", "-c", script, "sh", self}, args...)...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", runAsProgram + "=yes"}, "/", &p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	line, lineErr := lines.ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		err := <-p.ended
		p.ended <- err
		if t.Failed() {
			t.Logf("it logged:\n%s", p.log.String())
		}
	})
	if line != "made\n" {
		t.Fatalf("%q, %v", line, lineErr)
	}
	p.connect(t)
	if _, err := fmt.Fprintln(stdin, p.address); err != nil {
		t.Fatal(err)
	}
	return p
}

// connect connects the Pod's network to this machine. It ends with the Pod.
func (p *pod) connect(t *testing.T) {
	t.Helper()
	const attempts = 100
	for range attempts {
		third, fourth := rand.IntN(256), 4*rand.IntN(64)
		name := fmt.Sprintf("fgw%d-%d", third, fourth)
		p.outside, p.address = fmt.Sprintf("198.19.%d.%d", third, fourth+1), fmt.Sprintf("198.19.%d.%d", third, fourth+2)
		if exec.Command("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(p.cmd.Process.Pid)).Run() != nil {
			continue // another test has these addresses
		}
		for _, args := range [][]string{{"addr", "add", p.outside + "/30", "dev", name}, {"link", "set", name, "up"}} {
			if said, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Fatalf("ip %v: %v, %s", args, err, said)
			}
		}
		return
	}
	t.Fatal("no network")
}

// site serves a page at the address outside, and returns its host and port.
func (p *pod) site(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", p.outside+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return ln.Addr().String()
}

// probe returns the status of a probe, or 0 without an answer.
func (p *pod) probe(path string) int {
	response, err := http.Get("http://" + p.address + ":8889" + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func (p *pod) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, "readiness", func() bool { return p.probe("/readyz") == http.StatusOK })
}

// curl returns what curl prints and its exit status. With inside, it runs in the Pod's network.
func (p *pod) curl(t *testing.T, inside bool, args ...string) (string, int) {
	t.Helper()
	args = append([]string{"curl", "-sS", "--noproxy", "", "-m", "20"}, args...)
	if inside {
		args = append([]string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", p.cmd.Process.Pid)}, args...)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

const gatewayPage = "from outside"

func servePage(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, gatewayPage) }

func TestAGatewayLeadsOutsideAndNowhereElse(t *testing.T) {
	p := startPod(t, "gateway", "--listen", ":8888", "--health", "0.0.0.0:8889", "--allow-from", "198.19.0.0/16")
	site := p.site(t, servePage)
	p.awaitReady(t)
	at := p.address + ":8888"
	for _, args := range [][]string{
		{"--proxy", "http://" + at}, {"--proxy", "http://" + at, "--proxytunnel"}, {"--proxy", "socks5h://" + at}, {"--proxy", "socks4a://" + at},
	} {
		if got, status := p.curl(t, false, append(args, "http://"+site+"/")...); status != 0 || got != gatewayPage {
			t.Errorf("%v: %q, status %d", args, got, status)
		}
	}
	for _, target := range []string{
		"127.0.0.1:8889", "localhost:8889", "[::1]:8889", "0.0.0.0:8889", p.address + ":8889", at, "169.254.169.254:80", "169.254.1.1:80", "[64:ff9b::a9fe:a9fe]:80",
	} {
		got, status := p.curl(t, false, "--proxy", "http://"+at, "-w", " %{http_code}", "http://"+target+"/healthz")
		if status != 0 || !strings.HasSuffix(got, " 403") || !strings.Contains(got, target) {
			t.Errorf("%s: %q, status %d", target, got, status)
		}
		if got, status := p.curl(t, false, "--proxy", "socks5h://"+at, "http://"+target+"/healthz"); status == 0 || !strings.Contains(got, "(2)") {
			t.Errorf("%s by SOCKS: %q, status %d", target, got, status)
		}
	}
	if got, status := p.curl(t, true, "--proxy", "http://127.0.0.1:8888", "http://"+site+"/"); status == 0 {
		t.Errorf("a client of a network that is not let in: %q", got)
	}
	if !strings.Contains(p.log.String(), "not among those that are let in") {
		t.Error("a client that is turned away is not logged")
	}
	for line := range strings.Lines(p.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line that is no JSON: %q", line)
		}
	}
}

func TestAGatewayIsForItsOwnUserUnlessItIsToldOtherwise(t *testing.T) {
	p := startPod(t, "gateway", "--health", ":8889")
	site := p.site(t, servePage)
	p.awaitReady(t)
	args := []string{"--proxy", "socks5h://127.0.0.1:8888", "http://" + site + "/"}
	if got, status := p.curl(t, true, args...); status != 0 || got != gatewayPage {
		t.Errorf("its own user: %q, status %d", got, status)
	}
	cmd := exec.Command("nsenter", append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", p.cmd.Process.Pid), "--setuid=65534", "curl", "-sS", "--noproxy", "", "-m", "20"}, args...)...)
	if got, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(got), gatewayPage) {
		t.Errorf("another user: %q, %v", got, err)
	}
	if !strings.Contains(p.log.String(), "the client belongs to user 65534") {
		t.Error("a client that is turned away is not logged")
	}
}

func TestAGatewayEndsWhenItsConnectionsHave(t *testing.T) {
	p := startPod(t, "gateway", "--listen", "0.0.0.0:8888", "--health", ":8889", "--allow-from", "198.19.0.0/16")
	begun, finish := make(chan struct{}), make(chan struct{})
	site := p.site(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		servePage(w, r)
	})
	p.awaitReady(t)
	answered := make(chan string, 1)
	go func() {
		got, _ := p.curl(t, false, "--proxytunnel", "--proxy", "http://"+p.address+":8888", "http://"+site+"/")
		answered <- got
	}()
	<-begun
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of readiness", func() bool { return p.probe("/readyz") == http.StatusServiceUnavailable })
	if got := p.probe("/healthz"); got != http.StatusOK {
		t.Errorf("/healthz while it drains: %d", got)
	}
	if conn, err := net.Dial("tcp", p.address+":8888"); err == nil {
		_ = conn.Close()
		t.Error("it accepts clients while it drains")
	}
	began := time.Now()
	close(finish)
	if got := <-answered; got != gatewayPage {
		t.Errorf("while it drains: %q", got)
	}
	err := <-p.ended
	p.ended <- err
	if err != nil || time.Since(began) > 6*time.Second { // it would cut connections after 8 s
		t.Errorf("its end: %v, after %v", err, time.Since(began))
	}
}

func TestAGatewayOfMutualTLSReadsItsFilesAgain(t *testing.T) {
	first, second := proxytest.NewCertificates(t), proxytest.NewCertificates(t)
	folder := t.TempDir()
	// As a kubelet does it: links to files behind a link that is replaced.
	use := func(c proxytest.Certificates, name string) {
		t.Helper()
		version := filepath.Join(folder, name)
		if err := os.Mkdir(version, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, of := range map[string]string{"tls.crt": "server.crt", "tls.key": "server.key", "ca.crt": "ca.crt"} {
			content, err := os.ReadFile(c.File(of))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(version, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
			if link := filepath.Join(folder, file); name == "..1" {
				if err := os.Symlink(filepath.Join("..data", file), link); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Symlink(name, filepath.Join(folder, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(folder, "..new"), filepath.Join(folder, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	use(first, "..1")
	file := func(name string) string { return filepath.Join(folder, name) }
	p := startPod(t, "gateway", "--listen", ":8443", "--health", ":8889", "--tls-cert", file("tls.crt"), "--tls-key", file("tls.key"), "--client-ca", file("ca.crt"))
	site := p.site(t, servePage)
	p.awaitReady(t)
	ask := func(server, client proxytest.Certificates, name string) (string, int) {
		return p.curl(t, false, "--proxy", "https://localhost:8443", "--connect-to", "localhost:8443:"+p.address+":8443", "--resolve", "localhost:8443:"+p.address,
			"--proxy-cacert", server.File("ca.crt"), "--proxy-cert", client.File(name+".crt"), "--proxy-key", client.File(name+".key"), "http://"+site+"/")
	}
	if got, status := ask(first, first, "client"); status != 0 || got != gatewayPage {
		t.Errorf("%q, status %d", got, status)
	}
	first.Issue(t, "server2", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	for what, refused := range map[string]func() (string, int){
		"a client of another authority":     func() (string, int) { return ask(first, second, "client") },
		"a certificate that is no client's": func() (string, int) { return ask(first, first, "server2") },
		"no certificate": func() (string, int) {
			return p.curl(t, false, "--proxy", "https://localhost:8443", "--resolve", "localhost:8443:"+p.address, "--proxy-cacert", first.File("ca.crt"), "http://"+site+"/")
		},
		"no TLS": func() (string, int) {
			return p.curl(t, false, "--proxytunnel", "--proxy", "http://"+p.address+":8443", "http://"+site+"/")
		},
		"plain SOCKS": func() (string, int) {
			return p.curl(t, false, "--proxy", "socks5h://"+p.address+":8443", "http://"+site+"/")
		},
	} {
		if got, status := refused(); status == 0 || strings.Contains(got, gatewayPage) {
			t.Errorf("%s: %q, status %d", what, got, status)
		}
	}
	use(second, "..2")
	eventually(t, "the changed certificates are used", func() bool {
		got, status := ask(second, second, "client")
		return status == 0 && got == gatewayPage
	})
	if got, status := ask(second, first, "client"); status == 0 {
		t.Errorf("a client of the authority before: %q", got)
	}
	if err := os.WriteFile(filepath.Join(folder, "..2", "tls.key"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "files that cannot be used are logged", func() bool { return strings.Contains(p.log.String(), "changed files not used") })
	if got, status := ask(second, second, "client"); status != 0 || got != gatewayPage {
		t.Errorf("after a change that cannot be used: %q, status %d", got, status)
	}
}

func TestAGatewayAsksForThePasswordOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("me:s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPod(t, "gateway", "--listen", ":8888", "--health", ":8889", "--password-file", file)
	site := p.site(t, servePage)
	p.awaitReady(t)
	ask := func(scheme, user string) (string, int) {
		return p.curl(t, false, "-f", "--proxy", scheme+"://"+user+p.address+":8888", "http://"+site+"/")
	}
	for _, scheme := range []string{"http", "socks5h"} {
		if got, status := ask(scheme, "me:s3cr3t@"); status != 0 || got != gatewayPage {
			t.Errorf("%s: %q, status %d", scheme, got, status)
		}
		for _, user := range []string{"", "me:wrong@"} {
			if got, status := ask(scheme, user); status == 0 || strings.Contains(got, gatewayPage) {
				t.Errorf("%s %s: %q, status %d", scheme, user, got, status)
			}
		}
	}
	if err := os.WriteFile(file, []byte("me:other"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the changed password is used", func() bool { _, status := ask("http", "me:other@"); return status == 0 })
	if got, status := ask("http", "me:s3cr3t@"); status == 0 {
		t.Errorf("the password before: %q", got)
	}
	if strings.Contains(p.log.String(), "s3cr3t") {
		t.Error("the log has the password")
	}
}

func TestAGatewayListensToOthersOnlyIfItIsSaidWhoIsLetIn(t *testing.T) {
	h := newHome(t)
	bad := filepath.Join(h.dir, "password")
	if err := os.WriteFile(bad, []byte("s3cr3t"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]struct {
		status int
		text   string
	}{
		"--listen 0.0.0.0:0":                                        {2, "would let anyone on the network in"},
		"--listen [::]:0":                                           {2, "would let anyone on the network in"},
		"--listen :0":                                               {2, "would let anyone on the network in"},
		"--listen gateway.example:1":                                {2, "not an IP address and a port"},
		"--tls-cert c --tls-key k":                                  {2, "go together"},
		"--listen :0 --client-ca c":                                 {2, "go together"},
		"--allow-from 10.0.0.1":                                     {2, "not a network"},
		"--listen 127.0.0.1:0 --health nowhere":                     {2, "--health nowhere"},
		"--listen :0 --password-file " + bad:                        {1, "USER:PASSWORD"},
		"--listen :0 --tls-cert c --tls-key k --client-ca c":        {1, "no such file"},
		"--listen 127.0.0.1:0 --health " + h.server.Addr().String(): {1, "--health"},
	} {
		status, _, errs := h.run(t, append([]string{"gateway"}, strings.Fields(line)...)...)
		if status != want.status || !strings.Contains(errs, want.text) || strings.Contains(errs, "s3cr3t") {
			t.Errorf("%s: status %d, %s", line, status, errs)
		}
	}
}
