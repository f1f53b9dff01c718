package pac_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/proxy"
	"fairlead/proxy/pac"
)

// inNamespace is the environment variable of the process that has a network of its own.
const inNamespace = "FAIRLEAD_TEST_NAMESPACE"

// patience limits every wait for something that must happen.
const patience = 2 * time.Minute

// ownNetwork runs the calling test again in a process with a network and mounts of its own, and returns false in the
// calling one. It returns true in that process, where all DNS goes to 127.0.0.1, and nothing leads outside.
func ownNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) == "" {
		if os.Geteuid() != 0 {
			t.Fatal("a network of its own needs root")
		}
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return false
	}
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := syscall.Mount(resolv, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	return true
}

// A site has what browsers reach in a test: a DNS server, web servers behind the proxy and without it, and the proxy.
type site struct {
	t      *testing.T
	server *proxy.Server
	mutex  sync.Mutex
	asked  []string // names that the DNS server was asked for
	behind []string // hosts requested through the proxy
	direct []string // hosts requested without it
	tunnel []string // protocol and target of what the proxy carried
}

func (s *site) note(list *[]string, what string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	*list = append(*list, what)
}

func (s *site) has(list *[]string, what string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Contains(*list, what)
}

// The URLs that a browser visits: each host redirects to the next. The first is outside, because Firefox asks DNS for an
// HTTPS record of the very first host that it is started with, before it has the script.
var (
	hops    = []string{"http://www.example.com/", "http://hello.default/", "http://hello/", "http://hello.default.svc.cluster.local/", "http://10.96.0.10/", "https://secure.default/"}
	outside = "www.example.com"
)

func next(host string) string {
	for i, at := range hops[:len(hops)-1] {
		if strings.Contains(at, "//"+host+"/") {
			return hops[i+1]
		}
	}
	return ""
}

func (s *site) web(list *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r) // favicon.ico
			return
		}
		s.note(list, r.Host)
		if to := next(r.Host); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "<!doctype html><p>the end")
	}
}

// start starts the servers and returns the address of the script.
func (s *site) start() string {
	t := s.t
	plain := httptest.NewServer(s.web(&s.behind))
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(s.web(&s.behind))
	t.Cleanup(secure.Close)
	ln, err := net.Listen("tcp", "127.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: s.web(&s.direct), ReadHeaderTimeout: patience}
	go func() { _ = other.Serve(ln) }()
	t.Cleanup(func() { _ = other.Close() })
	s.resolve()

	front, err := net.Listen("tcp", "127.0.0.1:1080")
	if err != nil {
		t.Fatal(err)
	}
	config := pac.Config{Known: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}}
	s.server = proxy.New(proxy.Config{
		Rules: []proxy.Rule{{Name: "cluster", Dialer: dialer(func(ctx context.Context, address string) (net.Conn, error) {
			to := plain.Listener.Addr().String()
			if strings.HasSuffix(address, ":443") {
				to = secure.Listener.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", to)
		})}},
		Events: func(e proxy.Event) {
			if e.Kind == proxy.EventClosed {
				s.note(&s.tunnel, string(e.Connection.Protocol)+" "+e.Connection.Target)
			}
		},
		Pages: pac.NewPages(pac.PagesConfig{Context: "test", Script: func(context.Context) pac.Config { return config }}),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, front) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://127.0.0.1:1080/proxy.pac"
}

type dialer func(ctx context.Context, address string) (net.Conn, error)

func (d dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return d(ctx, address)
}

// resolve is the only DNS server: it knows the one name outside, and records the names that it is asked for.
func (s *site) resolve() {
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	go func() {
		question := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if answer, err := s.answer(question[:n]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
}

func (s *site) answer(raw []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(raw); err != nil || len(message.Questions) != 1 {
		return nil, errors.New("no question")
	}
	question := message.Questions[0]
	name := strings.TrimSuffix(question.Name.String(), ".")
	s.note(&s.asked, name)
	message.Response, message.Additionals = true, nil
	switch {
	case name != outside:
		message.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 2}},
		}}
	}
	return message.Pack()
}

// run starts a browser, waits until it has visited every host, and ends it.
func (s *site) run(browser ...string) {
	s.t.Helper()
	// Browsers have many processes: all of them end with the first one of their process namespace.
	cmd := exec.Command("unshare", append([]string{"--pid", "--fork", "--mount-proc", "--kill-child"}, browser...)...)
	// Not t.TempDir: a browser puts a socket there, whose path must not be longer than 108 bytes.
	temporary, err := os.MkdirTemp("", "browser")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := os.RemoveAll(temporary); err != nil {
			s.t.Error(err)
		}
	})
	cmd.Env = append(os.Environ(), "HOME="+s.t.TempDir(), "TMPDIR="+temporary)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(patience); !s.arrived() && time.Now().Before(deadline); {
		<-time.After(20 * time.Millisecond)
	}
	arrived := s.arrived()
	_ = cmd.Process.Kill()
	<-ended // so nothing writes to its output any more
	if !arrived {
		s.t.Errorf("the browser did not get to the end; its output:\n%s", &said)
	}
}

// arrived reports whether the browser has opened its last connection, even if it has closed it already.
func (s *site) arrived() bool {
	const target = "secure.default:443"
	return s.has(&s.tunnel, string(proxy.SOCKS5)+" "+target) || slices.ContainsFunc(s.server.Connections(), func(c proxy.Connection) bool {
		return c.Protocol == proxy.SOCKS5 && c.Target == target
	})
}

// verify checks which hosts were reached through the proxy, and which names DNS was asked for.
func (s *site) verify() {
	s.t.Helper()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, host := range []string{"hello.default", "hello", "hello.default.svc.cluster.local", "10.96.0.10"} {
		if !slices.Contains(s.behind, host) || !slices.Contains(s.tunnel, "http "+host+":80") {
			s.t.Errorf("%s was not reached through the proxy", host)
		}
	}
	if !slices.Contains(s.direct, outside) || !slices.Contains(s.asked, outside) {
		s.t.Errorf("%s was not reached directly", outside)
	}
	for _, name := range s.asked {
		if strings.Contains(name, "hello") || strings.Contains(name, "secure") || strings.Contains(name, "cluster") {
			s.t.Errorf("DNS was asked for %s", name)
		}
	}
	if s.t.Failed() {
		s.t.Logf("behind %q\ndirect %q\nDNS %q\ntunnels %q", s.behind, s.direct, s.asked, s.tunnel)
	}
}

func TestChromiumFollowsTheScript(t *testing.T) {
	if !ownNetwork(t) {
		return
	}
	s := &site{t: t}
	script := s.start()
	s.run("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
		"--no-first-run", "--user-data-dir="+t.TempDir(), "--proxy-pac-url="+script, "--remote-debugging-port=0", hops[0])
	s.verify()
}

func TestFirefoxFollowsTheScript(t *testing.T) {
	if !ownNetwork(t) {
		return
	}
	s := &site{t: t}
	script := s.start()
	profile := t.TempDir()
	preferences := fmt.Sprintf(`user_pref("network.proxy.type", 2);
user_pref("network.proxy.autoconfig_url", %q);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
`, script)
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("firefox-esr", "--headless", "--no-remote", "--profile", profile, hops[0])
	s.verify()
}
