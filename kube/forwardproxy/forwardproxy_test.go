package forwardproxy_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/proxytest"
	"fairlead/kube/fault"
	"fairlead/kube/forwardproxy"
)

func dialer(p *proxytest.Proxy) forwardproxy.Dialer {
	d := forwardproxy.Dialer{DialContext: new(net.Dialer).DialContext, Source: fault.ProxySettings}
	if p != nil && p.Authority != nil {
		d.Roots = x509.NewCertPool()
		d.Roots.AddCert(p.Authority)
	}
	return d
}

func TestEveryKindOfProxyLeadsToANameThatItAloneKnows(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer site.Close()
	o := proxytest.Options{Login: true, Hosts: map[string]string{"api.invalid:443": site.Listener.Addr().String()}}
	socks5h := proxytest.SOCKS5(t, o)
	socks5h.Scheme = "socks5h"
	for _, p := range []*proxytest.Proxy{proxytest.HTTP(t, "http", o), proxytest.HTTP(t, "https", o), proxytest.SOCKS5(t, o), socks5h} {
		conn, err := dialer(p).Dial(t.Context(), p.URL(), "api.invalid:443")
		if err != nil {
			t.Errorf("%s: %v", p.Scheme, err)
			continue
		}
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, DisableKeepAlives: true,
		}, Timeout: 30 * time.Second}
		response, err := client.Get("http://api.invalid:443/")
		if err != nil {
			t.Errorf("%s: %v", p.Scheme, err)
			continue
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(body) != "hello" || err != nil || !slices.Equal(p.Tunnels(), []string{"api.invalid:443"}) {
			t.Errorf("%s: %q, %v, tunnels %q", p.Scheme, body, err, p.Tunnels())
		}
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
		problem fault.ProxyProblem
		says    string
		is      error
	}{
		"dead":                    {"http://" + proxytest.Dead(t), there, fault.ProxyUnusable, "connection refused", syscall.ECONNREFUSED},
		"dead, SOCKS":             {"socks5://" + proxytest.Dead(t), there, fault.ProxyUnusable, "connection refused", syscall.ECONNREFUSED},
		"silent":                  {"http://" + proxytest.Silent(t), there, fault.ProxyUnusable, "deadline exceeded", context.DeadlineExceeded},
		"silent, SOCKS":           {"socks5://" + proxytest.Silent(t), there, fault.ProxyUnusable, "deadline exceeded", context.DeadlineExceeded},
		"silent, TLS":             {"https://" + proxytest.Silent(t), there, fault.ProxyUnusable, "deadline exceeded", context.DeadlineExceeded},
		"not trusted":             {"https://" + secure.Address, there, fault.ProxyUnusable, "certificate signed by unknown authority", nil},
		"wrong login":             {"http://" + proxytest.Tinyproxy(t, login).Address, there, fault.ProxyLogin, "CONNECT was answered with 40", nil},
		"wrong login, SOCKS":      {"socks5h://" + proxytest.SOCKS5(t, login).Address, there, fault.ProxyLogin, "authentication failed", nil},
		"denied":                  {"http://" + proxytest.Tinyproxy(t, proxytest.Options{}, "ConnectPort 1").Address, there, fault.ProxyDenies, "403", nil},
		"server gone":             {"http://" + proxytest.Tinyproxy(t, proxytest.Options{}).Address, gone, fault.ProxyBeyond, "500", nil},
		"server gone, SOCKS":      {"socks5://" + proxytest.SOCKS5(t, proxytest.Options{}).Address, gone, fault.ProxyBeyond, "refused", nil},
		"denied, SOCKS":           {"socks5://" + says(t, "\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"), there, fault.ProxyDenies, "not allowed", nil},
		"HTTP where SOCKS is set": {"socks5://" + says(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), there, fault.ProxyUnusable, "unexpected protocol version", nil},
		"no HTTP":                 {"http://" + says(t, "hello\r\n"), there, fault.ProxyUnusable, "malformed HTTP", nil},
		"repeats the login":       {"http://" + says(t, "HTTP/1.1 407 no\r\nyou are Basic "+pair+"\r\n\r\n"), there, fault.ProxyUnusable, "you are Basic …", nil},
		"repeats the password":    {"http://" + says(t, "HTTP/1.1 407 no\r\nyou are hunter2\r\n\r\n"), there, fault.ProxyUnusable, "you are …", nil},
		"closed at once":          {"http://" + says(t, ""), there, fault.ProxyUnusable, "EOF", nil},
		"without end":             {"http://" + says(t, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: y\r\n", 20_000)), there, fault.ProxyUnusable, "", nil},
		"another kind":            {"ftp://" + there, there, fault.ProxyUnusable, "kind", errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			via, err := url.Parse(test.via)
			if err != nil {
				t.Fatal(err)
			}
			via.User = url.UserPassword("me", "hunter2")
			within := 30 * time.Second
			if test.is == context.DeadlineExceeded {
				within = time.Second / 2
			}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			conn, err := dialer(nil).Dial(ctx, via, test.to)
			if err == nil {
				_ = conn.Close()
			}
			failed, ok := errors.AsType[*fault.Proxy](err)
			if !ok || failed.Proxy != via.Host || failed.Source != fault.ProxySettings || failed.Problem != test.problem || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%T %v, problem %q", err, err, failed.Problem)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), pair) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://a": "a:80", "https://a": "a:443", "socks5://a": "a:1080", "socks5h://[::1]": "[::1]:1080", "http://me:pw@a:3128": "a:3128",
	} {
		via, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := forwardproxy.Address(via); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
