package upstream_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/proxytest"
	"fairlead/proxy/upstream"
)

var dialer = upstream.Dialer{DialContext: new(net.Dialer).DialContext}

// of returns how to connect to a proxy.
func of(p *proxytest.Proxy) upstream.Proxy {
	via := upstream.Proxy{URL: p.URL()}
	if p.Authority != nil {
		via.TLS = &tls.Config{RootCAs: p.Roots()}
	}
	return via
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// site serves "hello", and returns its address.
func site(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// wantHello asks for a page over a connection, and closes it.
func wantHello(t *testing.T, conn net.Conn, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
		return
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, DisableKeepAlives: true,
	}, Timeout: 30 * time.Second}
	response, err := client.Get("http://site.invalid/")
	if err != nil {
		t.Error(err)
		return
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if string(body) != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

func TestEveryKindOfProxyLeadsToANameThatItAloneKnows(t *testing.T) {
	o := proxytest.Options{Login: true, Hosts: map[string]string{"api.invalid:443": site(t)}}
	socks5h := proxytest.SOCKS5(t, o)
	socks5h.Scheme = "socks5h"
	for _, p := range []*proxytest.Proxy{proxytest.HTTP(t, "http", o), proxytest.HTTP(t, "https", o), proxytest.SOCKS5(t, o), socks5h} {
		conn, err := dialer.Dial(t.Context(), "api.invalid:443", of(p))
		wantHello(t, conn, err)
		if !slices.Equal(p.Tunnels(), []string{"api.invalid:443"}) {
			t.Errorf("%s: tunnels %q", p.Scheme, p.Tunnels())
		}
	}
}

func TestEachProxyOfAChainIsReachedThroughTheOneBefore(t *testing.T) {
	last := proxytest.Tinyproxy(t, proxytest.Options{Login: true})
	certificate, clients := proxytest.ClientCertificate(t)
	second := proxytest.HTTP(t, "https", proxytest.Options{Clients: clients, Hosts: map[string]string{"last.invalid:8888": last.Address}})
	first := proxytest.SOCKS5(t, proxytest.Options{Login: true, Hosts: map[string]string{"second.invalid:443": second.Address}})
	chain := []upstream.Proxy{of(first), of(second), of(last)}
	// Their names mean something to the proxy before alone; the certificate is for example.com.
	chain[1].URL.Host, chain[2].URL.Host = "second.invalid", "last.invalid:8888"
	chain[1].TLS.ServerName, chain[1].TLS.Certificates = "example.com", []tls.Certificate{certificate}
	to := site(t)
	conn, err := dialer.Dial(t.Context(), to, chain...)
	wantHello(t, conn, err)
	for i, row := range []struct {
		proxy *proxytest.Proxy
		asked string
	}{{first, "second.invalid:443"}, {second, "last.invalid:8888"}, {last, to}} {
		if got := row.proxy.Tunnels(); !slices.Equal(got, []string{row.asked}) {
			t.Errorf("proxy %d was asked for %q", i+1, got)
		}
	}
}

func TestAChainsFaultIsThatOfTheProxyWhichHasIt(t *testing.T) {
	login := proxytest.Options{Login: true}
	first, second, locked := proxytest.SOCKS5(t, login), proxytest.HTTP(t, "http", login), proxytest.HTTP(t, "http", login)
	dead, gone := proxytest.Dead(t), proxytest.Dead(t)
	withoutLogin := func(p *proxytest.Proxy) upstream.Proxy {
		return upstream.Proxy{URL: &url.URL{Scheme: p.Scheme, Host: p.Address}}
	}
	unreachable := upstream.Proxy{URL: parsed(t, "http://"+dead)}
	for name, test := range map[string]struct {
		chain   []upstream.Proxy
		proxy   string
		problem upstream.Problem
		is, not error
	}{
		"the first is dead":          {[]upstream.Proxy{unreachable, of(second)}, dead, upstream.Unusable, syscall.ECONNREFUSED, nil},
		"the first wants a login":    {[]upstream.Proxy{withoutLogin(locked), of(second)}, locked.Address, upstream.Login, fs.ErrPermission, nil},
		"the second is dead":         {[]upstream.Proxy{of(first), unreachable}, first.Address, upstream.Beyond, syscall.ENETUNREACH, syscall.ECONNREFUSED},
		"the second wants a login":   {[]upstream.Proxy{of(first), withoutLogin(second)}, second.Address, upstream.Login, fs.ErrPermission, nil},
		"the target is dead":         {[]upstream.Proxy{of(second), of(first)}, first.Address, upstream.Beyond, syscall.ECONNREFUSED, nil},
		"the second is another kind": {[]upstream.Proxy{of(second), {URL: parsed(t, "ftp://"+first.Address)}}, first.Address, upstream.Unusable, errors.ErrUnsupported, nil},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := dialer.Dial(t.Context(), gone, test.chain...)
			if err == nil {
				_ = conn.Close()
			}
			failed, ok := errors.AsType[*upstream.Error](err)
			if !ok || failed.Proxy != test.proxy || failed.Problem != test.problem || !errors.Is(err, test.is) || test.not != nil && errors.Is(err, test.not) {
				t.Errorf("%T %v, %+v", err, err, failed)
			}
			if err != nil && strings.Contains(err.Error(), proxytest.Password) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestAnHTTPSProxyMayWantAClientCertificate(t *testing.T) {
	certificate, clients := proxytest.ClientCertificate(t)
	p := proxytest.HTTP(t, "https", proxytest.Options{Clients: clients})
	to := site(t)
	with := of(p)
	with.TLS.Certificates = []tls.Certificate{certificate}
	conn, err := dialer.Dial(t.Context(), to, with)
	wantHello(t, conn, err)

	stranger, _ := proxytest.ClientCertificate(t)
	for _, certificates := range [][]tls.Certificate{nil, {stranger}} {
		without := of(p)
		without.TLS.Certificates = certificates
		conn, err := dialer.Dial(t.Context(), to, without)
		if err == nil {
			_ = conn.Close()
		}
		failed, ok := errors.AsType[*upstream.Error](err)
		if !ok || failed.Proxy != p.Address || failed.Problem != upstream.Certificate {
			t.Errorf("with %d certificates: %T %v", len(certificates), err, err)
		}
	}
	if got := p.Tunnels(); !slices.Equal(got, []string{to}) {
		t.Errorf("tunnels %q", got)
	}
}

// says is a server that answers every connection with a text.
func says(t *testing.T, text string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<10))
			_, _ = io.WriteString(conn, text)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn) // a close with unread bytes would be a reset
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func TestAProxysFaultIsToldOfTheProxy(t *testing.T) {
	site := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(site.Close)
	there, gone := site.Listener.Addr().String(), proxytest.Dead(t)
	login := proxytest.Options{Login: true}
	pair := base64.StdEncoding.EncodeToString([]byte("me:hunter2"))
	secure := proxytest.HTTP(t, "https", login)
	for name, test := range map[string]struct {
		via, to string
		problem upstream.Problem
		says    string
		is      error
	}{
		"dead":                     {"http://" + proxytest.Dead(t), there, upstream.Unusable, "connection refused", syscall.ECONNREFUSED},
		"dead, SOCKS":              {"socks5://" + proxytest.Dead(t), there, upstream.Unusable, "connection refused", syscall.ECONNREFUSED},
		"silent":                   {"http://" + proxytest.Silent(t), there, upstream.Unusable, "deadline exceeded", context.DeadlineExceeded},
		"silent, SOCKS":            {"socks5://" + proxytest.Silent(t), there, upstream.Unusable, "deadline exceeded", context.DeadlineExceeded},
		"silent, TLS":              {"https://" + proxytest.Silent(t), there, upstream.Unusable, "deadline exceeded", context.DeadlineExceeded},
		"not trusted":              {"https://" + secure.Address, there, upstream.Unusable, "certificate signed by unknown authority", nil},
		"wrong login":              {"http://" + proxytest.Tinyproxy(t, login).Address, there, upstream.Login, "CONNECT was answered with 40", fs.ErrPermission},
		"wrong login, SOCKS":       {"socks5h://" + proxytest.SOCKS5(t, login).Address, there, upstream.Login, "authentication failed", fs.ErrPermission},
		"denied":                   {"http://" + proxytest.Tinyproxy(t, proxytest.Options{}, "ConnectPort 1").Address, there, upstream.Denies, "403", fs.ErrPermission},
		"server gone":              {"http://" + proxytest.Tinyproxy(t, proxytest.Options{}).Address, gone, upstream.Beyond, "500", nil},
		"server gone, SOCKS":       {"socks5://" + proxytest.SOCKS5(t, proxytest.Options{}).Address, gone, upstream.Beyond, "refused", syscall.ECONNREFUSED},
		"no such host":             {"http://" + says(t, "HTTP/1.1 502 no\r\nProxy-Status: p; error=dns_error\r\n\r\n"), there, upstream.Beyond, "502", &net.DNSError{}},
		"too late":                 {"http://" + says(t, "HTTP/1.1 504 no\r\n\r\n"), there, upstream.Beyond, "504", os.ErrDeadlineExceeded},
		"denied, SOCKS":            {"socks5://" + says(t, "\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"), there, upstream.Denies, "not allowed", fs.ErrPermission},
		"cut short, SOCKS":         {"socks5://" + says(t, "\x05\x00\x05\x00\x00\x01\x00\x00"), there, upstream.Unusable, "SOCKS5 reply", io.ErrUnexpectedEOF},
		"malformed, SOCKS":         {"socks5://" + says(t, "\x05\x00\x05\x00\x00\x09\x00\x00"), there, upstream.Unusable, "malformed", nil},
		"reserved, SOCKS":          {"socks5://" + says(t, "\x05\x00\x05\x00\x01\x01\x00\x00\x00\x00\x00\x00"), there, upstream.Unusable, "malformed", nil},
		"another reply, SOCKS":     {"socks5://" + says(t, "\x05\x00\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00"), there, upstream.Unusable, "unexpected protocol version", nil},
		"another verdict, SOCKS":   {"socks5://" + says(t, "\x05\x02\x05\x00"), there, upstream.Unusable, "malformed", nil},
		"HTTP where SOCKS is set":  {"socks5://" + says(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), there, upstream.Unusable, "unexpected protocol version", nil},
		"no HTTP":                  {"http://" + says(t, "hello\r\n"), there, upstream.Unusable, "malformed HTTP", nil},
		"repeats the login":        {"http://" + says(t, "HTTP/1.1 407 no\r\nyou are Basic "+pair+"\r\n\r\n"), there, upstream.Unusable, "you are Basic …", nil},
		"repeats the password":     {"http://" + says(t, "HTTP/1.1 407 no\r\nyou are hunter2\r\n\r\n"), there, upstream.Unusable, "you are …", nil},
		"repeats them in its page": {"http://" + says(t, "HTTP/1.1 403 no\r\nContent-Type: text/html\r\nContent-Length: 80\r\n\r\n<html><title>No, hunter2: <b>Basic "+pair+"</b></title><p>please ask</p></html>"), there, upstream.Denies, "Forbidden (No, …: Basic …)", fs.ErrPermission},
		"says why in a page":       {"http://" + says(t, "HTTP/1.1 403 no\r\nContent-Type: text/html\r\nContent-Length: 98\r\n\r\n<html><style>p {}</style><script>1</script><p>Ask&nbsp;the &lt;helpdesk&gt;.</p>\x1b[31m<!-- no --></html>"), there, upstream.Denies, "Forbidden (Ask the <helpdesk>.", fs.ErrPermission},
		"an endless page":          {"http://" + says(t, "HTTP/1.1 403 no\r\nContent-Type: text/plain\r\n\r\n"+strings.Repeat("no ", 9000)), there, upstream.Denies, "no no n…)", fs.ErrPermission},
		"refused, by its text":     {"http://" + says(t, "HTTP/1.1 502 no\r\nContent-Type: text/plain\r\nContent-Length: 46\r\n\r\ndial tcp 10.0.0.1:80: connect: connection refused"), there, upstream.Beyond, "connection ref", nil},
		"unknown, by squid":        {"http://" + says(t, "HTTP/1.1 503 no\r\nX-Squid-Error: ERR_DNS_FAIL 0\r\nContent-Length: 0\r\n\r\n"), there, upstream.Beyond, "503", &net.DNSError{}},
		"closed at once":           {"http://" + says(t, ""), there, upstream.Unusable, "EOF", nil},
		"without end":              {"http://" + says(t, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: y\r\n", 20_000)), there, upstream.Unusable, "", nil},
		"only interim answers":     {"http://" + says(t, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 9)), there, upstream.Unusable, "interim", nil},
		"another kind":             {"ftp://" + there, there, upstream.Unusable, "kind", errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			via := parsed(t, test.via)
			via.User = url.UserPassword("me", "hunter2")
			within := 30 * time.Second
			if test.is == context.DeadlineExceeded {
				within = time.Second / 2
			}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			conn, err := dialer.Dial(ctx, test.to, upstream.Proxy{URL: via})
			if err == nil {
				_ = conn.Close()
			}
			failed, ok := errors.AsType[*upstream.Error](err)
			if !ok || failed.Proxy != via.Host || failed.Problem != test.problem || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%T %v, %+v", err, err, failed)
			}
			if _, wantDNS := test.is.(*net.DNSError); wantDNS {
				if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
					t.Errorf("%v says not that there is no such host", err)
				}
			} else if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), pair) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

// What a proxy sends behind its answer is the target's, and interim answers may come before it.
func TestEarlyBytesAreTheTargets(t *testing.T) {
	for _, via := range []string{
		"http://" + says(t, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nearly"),
		"http://" + says(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nearly"),
		"socks5://" + says(t, "\x05\x00\x05\x00\x00\x03\x01a\x00\x00early"),
	} {
		conn, err := dialer.Dial(t.Context(), "a.invalid:1", upstream.Proxy{URL: parsed(t, via)})
		if err != nil {
			t.Errorf("%s: %v", via, err)
			continue
		}
		if early, err := io.ReadAll(conn); string(early) != "early" || err != nil {
			t.Errorf("%s: %q, %v", via, early, err)
		}
		_ = conn.Close()
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://a": "a:80", "https://a": "a:443", "socks5://a": "a:1080", "socks5h://[::1]": "[::1]:1080", "http://me:pw@a:3128": "a:3128",
	} {
		if got := upstream.Address(parsed(t, text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
