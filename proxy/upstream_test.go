package proxy_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/proxy"
	outside "fairlead/proxy/direct"
	"fairlead/proxy/upstream"
)

// byUpstream sends everything to one forward proxy, and lets every address through.
func byUpstream(address string) outside.Dialer {
	via := mustURL(address)
	return outside.Dialer{
		Policy: outside.Policy{
			Allow: func(netip.AddrPort) bool { return true },
			// The tests' names mean something to that proxy alone.
			Unresolved: true,
		},
		Upstream: func(*url.URL) (*url.URL, error) { return via, nil },
	}
}

func viaUpstream(dialer outside.Dialer) proxy.Config {
	return proxy.Config{Rules: []proxy.Rule{{Name: "direct", Dialer: dialer}}}
}

// tinyproxy runs a forward proxy that others wrote, with a user where one is named, and tunnels to the ports given only.
func tinyproxy(t *testing.T, more ...string) string {
	t.Helper()
	ln := listen(t)
	address := ln.Addr().String()
	_ = ln.Close()
	_, port, _ := net.SplitHostPort(address)
	folder := t.TempDir()
	config := filepath.Join(folder, "tinyproxy.conf")
	text := fmt.Sprintf("Port %s\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nLogFile %q\n%s\n", port, filepath.Join(folder, "log"), strings.Join(more, "\n"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "tinyproxy", "-d", "-c", config)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	eventually(t, "tinyproxy to listen", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return address
}

func TestEveryKindOfUpstreamCarriesEveryKindOfClient(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, body)
	})
	a := newAuthority(t)
	secured := a.secured(guarded(direct()))
	plain, behindTLS := open(t, guarded(direct())), open(t, secured)
	client := a.issue("client", x509.ExtKeyUsageClientAuth)
	user := url.UserPassword("me", secret).String()
	for _, address := range []string{
		"http://" + user + "@" + plain.addr, "socks5://" + user + "@" + plain.addr, "socks5h://" + user + "@" + plain.addr,
		"https://" + user + "@" + behindTLS.addr, "http://" + tinyproxy(t), "http://me:secret@" + tinyproxy(t, "BasicAuth me secret"),
	} {
		way := byUpstream(address)
		way.UpstreamTLS = a.clientTLS(client)
		w := open(t, viaUpstream(way))
		for _, args := range [][]string{
			{"--proxy", "socks5h://" + w.addr}, {"--proxy", "socks4a://" + w.addr}, {"--proxy", "http://" + w.addr}, {"--proxy", "http://" + w.addr, "--proxytunnel"},
		} {
			if out, code := curl(t, append(args, site.URL)...); code != 0 || out != "GET " {
				t.Errorf("%s: curl %v: exit %d, %q", address, args, code, out)
			}
			if out, code := curl(t, append(args, site.URL, "-d", "body")...); code != 0 || out != "POST body" {
				t.Errorf("%s: curl -d %v: exit %d, %q", address, args, code, out)
			}
		}
	}
}

func TestPlainRequestsNeedNoTunnelUpstream(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	w := open(t, viaUpstream(byUpstream("http://"+tinyproxy(t, "ConnectPort 443"))))
	if out, code := curl(t, "--proxy", "http://"+w.addr, site.URL, site.URL); code != 0 || out != "hellohello" {
		t.Errorf("exit %d, %q", code, out)
	}
	if out, _ := curl(t, "--proxy", "http://"+w.addr, "--proxytunnel", "-w", "%{http_connect}", site.URL); !strings.Contains(out, "403") {
		t.Errorf("a tunnel: %q", out)
	}
}

func TestUpstreamRefusalsKeepTheirMeaning(t *testing.T) {
	up := open(t, guarded(by(func(_ context.Context, _, address string) (net.Conn, error) {
		switch host, _, _ := net.SplitHostPort(address); host {
		case "refused.example":
			return nil, syscall.ECONNREFUSED
		case "late.example":
			return nil, os.ErrDeadlineExceeded
		case "forbidden.example":
			return nil, fs.ErrPermission
		case "down.example":
			return nil, syscall.EHOSTUNREACH
		}
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	})))
	user := url.UserPassword("me", secret).String()
	for _, kind := range []string{"http", "socks5"} {
		dialer := byUpstream(kind + "://" + user + "@" + up.addr)
		for host, want := range map[string]error{
			"refused.example": syscall.ECONNREFUSED, "late.example": os.ErrDeadlineExceeded, "forbidden.example": fs.ErrPermission, "down.example": syscall.EHOSTUNREACH,
		} {
			_, err := dialer.DialContext(t.Context(), "tcp", host+":443")
			through, ok := errors.AsType[*upstream.Error](err)
			if !errors.Is(err, want) || !ok || through.Proxy != up.addr || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s to %s: %v", kind, host, err)
			}
		}
		if _, err := dialer.DialContext(t.Context(), "tcp", "nobody.example:443"); kind == "http" && !notFound(err) || err == nil {
			t.Errorf("%s to nobody: %v", kind, err)
		}
		_, err := byUpstream(kind+"://me:wrong@"+up.addr).DialContext(t.Context(), "tcp", "a.example:443")
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s with a wrong password: %v", kind, err)
		}
	}
	// A plain-HTTP client must not take the upstream's challenge for ours.
	w := open(t, viaUpstream(byUpstream("http://me:wrong@"+up.addr)))
	if out, _ := curl(t, "--proxy", "http://"+w.addr, "-w", "%{http_code}", "-o", "/dev/null", "http://a.example/"); out != "403" {
		t.Errorf("status %q", out)
	}
}

func notFound(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

func TestUpstreamThatIsDownIsNoRefusalOfTheTarget(t *testing.T) {
	ln := listen(t)
	_ = ln.Close()
	_, err := byUpstream("http://"+ln.Addr().String()).DialContext(t.Context(), "tcp", "a.example:443")
	if !errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: %v", err)
	}
	_, err = byUpstream("gopher://"+ln.Addr().String()).DialContext(t.Context(), "tcp", "a.example:443")
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("gopher: %v", err)
	}
}

func TestUpstreamIsNotAskedForWhatIsRefused(t *testing.T) {
	up := open(t, by(func(_ context.Context, _, address string) (net.Conn, error) {
		t.Errorf("asked for %s", address)
		return nil, syscall.ECONNREFUSED
	}))
	for _, kind := range []string{"http", "socks5"} {
		dialer := byUpstream(kind + "://" + up.addr)
		dialer.Policy = outside.Policy{Resolver: names(t, map[string]netip.Addr{
			"loopback.example.": netip.MustParseAddr("127.0.0.1"), "loopback6.example.": netip.MustParseAddr("::1"),
			"metadata.example.": netip.MustParseAddr("169.254.169.254"), "pods.example.": netip.MustParseAddr("fd00:ec2::23"),
		})}
		host, _ := os.Hostname()
		for _, address := range []string{
			"localhost:80", "LOCALHOST.:80", "a.localhost:80", "localhost.localdomain:80", "127.0.0.1:80", "[::1]:80", "127.1:80", "2130706433:80", "0x7f000001:80",
			"169.254.169.254:80", "metadata.google.internal:80", "instance-data.ec2.internal:80", "[64:ff9b::a9fe:a9fe]:443", host + ":80",
			"loopback.example:80", "loopback6.example:443", "metadata.example:80", "pods.example:443", "nobody.example:443",
		} {
			_, err := dialer.DialContext(t.Context(), "tcp", address)
			var refused *proxy.RouteError
			if !errors.As(err, &refused) {
				t.Errorf("%s through %s: %v", address, kind, err)
			}
		}
		w := open(t, viaUpstream(dialer))
		for _, url := range []string{"http://127.1/", "http://loopback.example/", "http://nobody.example/"} {
			if out, _ := curl(t, "--proxy", "http://"+w.addr, "-w", "%{http_code}", "-o", "/dev/null", url); out != "403" {
				t.Errorf("plain HTTP to %s through %s: %q", url, kind, out)
			}
		}
	}
}

func TestAnUpstreamOnThisMachineIsAskedForWhatResolvesHere(t *testing.T) {
	up := open(t, by(func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }))
	resolver := names(t, map[string]netip.Addr{"site.example.": netip.MustParseAddr("192.0.2.1"), "loopback.example.": netip.MustParseAddr("127.0.0.1")})
	for _, row := range []struct {
		address    string
		unresolved bool
		want       error
	}{
		{"site.example:443", false, syscall.ECONNREFUSED},
		{"nobody.example:443", true, syscall.ECONNREFUSED},
		{"nobody.example:443", false, fs.ErrPermission},
		{"loopback.example:443", true, fs.ErrPermission},
	} {
		dialer := byUpstream("http://" + url.UserPassword("me", secret).String() + "@" + up.addr)
		dialer.Policy = outside.Policy{Resolver: resolver, Unresolved: row.unresolved, Remedy: "allow it"}
		_, err := dialer.DialContext(t.Context(), "tcp", row.address)
		if !errors.Is(err, row.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s, unresolved %t: %v", row.address, row.unresolved, err)
		}
		if row.address == "nobody.example:443" && !row.unresolved && !strings.Contains(err.Error(), "allow it") {
			t.Errorf("no remedy: %v", err)
		}
	}
}

// names returns a resolver that asks a DNS server of the test, which knows these names and no others.
func names(t *testing.T, known map[string]netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		question := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if answer, err := answerDNS(question[:n], known); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		serving.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answerDNS(raw []byte, known map[string]netip.Addr) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(raw); err != nil {
		return nil, err
	}
	if len(message.Questions) != 1 {
		return nil, errors.New("not one question")
	}
	question := message.Questions[0]
	ip, ok := known[strings.ToLower(question.Name.String())]
	message.Response, message.Additionals = true, nil
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 60}
	switch {
	case !ok:
		message.RCode = dnsmessage.RCodeNameError
	case ip.Is4() && question.Type == dnsmessage.TypeA:
		message.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: ip.As4()}}}
	case ip.Is6() && question.Type == dnsmessage.TypeAAAA:
		message.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}}}
	}
	return message.Pack()
}

func TestOurOwnPortIsNoUpstream(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	ln := listen(t)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	own := func(to netip.AddrPort) bool { return to.String() == ln.Addr().String() }
	var config proxy.Config
	for _, address := range []string{"http://127.0.0.1:" + port, "http://localhost:" + port, "socks5://LOCALHOST:" + port} {
		way := byUpstream(address)
		way.Own = own
		config.Rules = append(config.Rules, proxy.Rule{Name: address, Match: hostIs("x", way), Dialer: way})
	}
	w := openOn(t, config, ln)
	for i, rule := range config.Rules {
		rule.Match = nil
		w.server.Reconfigure(proxy.Config{Rules: []proxy.Rule{rule}})
		for _, args := range [][]string{{"--proxy", "http://" + w.addr}, {"--proxy", "socks5h://" + w.addr}} {
			if out, code := curl(t, append(args, site.URL)...); code != 0 || out != "hello" {
				t.Errorf("%d: curl %v: exit %d, %q", i, args, code, out)
			}
		}
	}
}

func TestSilentUpstreamEndsWithTheDial(t *testing.T) {
	silent := target(t, func(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) })
	for _, kind := range []string{"http", "https", "socks5"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := byUpstream(kind+"://"+silent).DialContext(ctx, "tcp", "a.example:443")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
