package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead/proxy"
	"fairlead/proxy/hostport"
)

// leadingTo is a Dialer that leads every target to one address, as the cluster's names lead to Pods.
type leadingTo string

func (l leadingTo) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, string(l))
}

// openSite starts a Server that stands for the web server at an address.
func openSite(t *testing.T, address string, rule proxy.Rule, site proxy.Site) *world {
	t.Helper()
	rule.Name, rule.Dialer = "site", leadingTo(address)
	return openServing(t, proxy.Config{Rules: []proxy.Rule{rule}}, listen(t), func(s *proxy.Server, ctx context.Context, ln net.Listener) error {
		return s.ServeSite(ctx, ln, func() proxy.Site { return site })
	})
}

func siteOf(t *testing.T, address string, tls bool) proxy.Site {
	t.Helper()
	to, err := hostport.ParseNamed(address)
	if err != nil {
		t.Fatal(err)
	}
	return proxy.Site{Target: to, TLS: tls}
}

// ask sends one request to a listener, and returns the answer, whose body has been read.
func (w *world) ask(t *testing.T, head string) (*http.Response, string) {
	t.Helper()
	conn := w.connect()
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, strings.ReplaceAll(strings.ReplaceAll(head, "LOCAL", w.addr), "\n", "\r\n")+"\r\n\r\n")
	method, _, _ := strings.Cut(head, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil, err.Error()
	}
	if method == http.MethodConnect && response.StatusCode == 200 {
		return response, "" // the tunnel has no end
	}
	body, _ := io.ReadAll(response.Body)
	return response, string(body)
}

func TestRequestsOfASiteAreForItsOwnName(t *testing.T) {
	server := web(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s origin=%s referer=%s cookie=%s", r.Host, r.RequestURI, r.Header.Get("Origin"), r.Header.Get("Referer"), r.Header.Get("Cookie"))
	})
	for _, c := range []struct{ target, head, want string }{
		{"web.shop:80", "GET /a//b?c#d HTTP/1.1\nHost: LOCAL", "web.shop /a//b?c#d origin= referer= cookie="},
		{"web.shop:8080", "POST /login HTTP/1.1\nHost: LOCAL\nOrigin: http://LOCAL\nReferer: http://LOCAL/login?x\nCookie: s=1\nContent-Length: 0",
			"web.shop:8080 /login origin=http://web.shop:8080 referer=http://web.shop:8080/login?x cookie=s=1"},
		{"web.shop:http", "GET / HTTP/1.1\nHost: LOCAL\nReferer: http://LOCAL", "web.shop / origin= referer=http://web.shop cookie="},
		{"[fd00::1]:80", "GET / HTTP/1.1\nHost: LOCAL", "[fd00::1] / origin= referer= cookie="},
		// What another site's page says stays, so that the server can refuse it.
		{"web.shop:80", "POST / HTTP/1.1\nHost: LOCAL\nOrigin: https://evil.example\nReferer: http://LOCAL.evil.example/\nContent-Length: 0",
			"web.shop / origin=https://evil.example referer=http://LOCAL.evil.example/ cookie="},
	} {
		w := openSite(t, server.Listener.Addr().String(), proxy.Rule{}, siteOf(t, c.target, false))
		want := strings.ReplaceAll(c.want, "LOCAL", w.addr)
		if response, body := w.ask(t, c.head); response == nil || response.StatusCode != 200 || body != want {
			t.Errorf("%s, %q: %v, %q, want %q", c.target, c.head, response, body, want)
		}
		if r := w.waitReports(1)[0]; r.Target != c.target || r.Protocol != proxy.HTTP || r.Err != nil {
			t.Errorf("%s: report %+v", c.target, r)
		}
	}
}

func TestAnswersOfASiteComeBackToTheListener(t *testing.T) {
	for _, c := range []struct{ target, name, said, want string }{
		{"web.shop:80", "Location", "http://web.shop/next?a=http://web.shop/#b", "http://LOCAL/next?a=http://web.shop/#b"},
		{"web.shop:80", "Location", "http://WEB.shop:80", "http://LOCAL"},
		{"web.shop:80", "Location", "//web.shop/next", "http://LOCAL/next"},
		{"web.shop:80", "Location", "/next", "/next"},
		{"web.shop:80", "Location", "https://web.shop/next", "https://web.shop/next"},
		{"web.shop:80", "Location", "http://web.shop:8080/", "http://web.shop:8080/"},
		{"web.shop:80", "Location", "http://web.shop.evil.example/", "http://web.shop.evil.example/"},
		{"web.shop:80", "Location", "http://me@web.shop/", "http://me@web.shop/"},
		{"web.shop:8080", "Location", "http://web.shop:8080/x", "http://LOCAL/x"},
		{"web.shop:8080", "Location", "http://web.shop/x", "http://web.shop/x"},
		{"web.shop:http", "Location", "http://web.shop/x", "http://LOCAL/x"},
		{"[fd00::1]:80", "Location", "http://[fd00::1]/x", "http://LOCAL/x"},
		{"web.shop:80", "Content-Location", "http://web.shop/x", "http://LOCAL/x"},
		{"web.shop:80", "Refresh", "5; URL=http://web.shop/x", "5; URL=http://LOCAL/x"},
		{"web.shop:80", "Refresh", "5", "5"},
		{"web.shop:80", "Access-Control-Allow-Origin", "http://web.shop", "http://LOCAL"},
		{"web.shop:80", "Access-Control-Allow-Origin", "*", "*"},
		{"web.shop:80", "Set-Cookie", "s=1; Path=/; Domain=web.shop; HttpOnly", "s=1; Path=/; HttpOnly"},
		{"web.shop:80", "Set-Cookie", "s=domain=x; domain=.shop", "s=domain=x"},
		{"web.shop:80", "Set-Cookie", "s=1; Domain=hop", "s=1; Domain=hop"},
		{"web.shop:80", "Set-Cookie", "s=1; Domain=example.com; Secure", "s=1; Domain=example.com; Secure"},
		{"10.0.0.1:80", "Set-Cookie", "s=1; Domain=0.0.1", "s=1; Domain=0.0.1"},
	} {
		server := web(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(c.name, c.said); w.WriteHeader(302) })
		w := openSite(t, server.Listener.Addr().String(), proxy.Rule{}, siteOf(t, c.target, false))
		want := strings.ReplaceAll(c.want, "LOCAL", w.addr)
		if response, said := w.ask(t, "GET / HTTP/1.1\nHost: LOCAL"); response == nil || response.Header.Get(c.name) != want {
			t.Errorf("%s, %s: %s becomes %v %s, want %s", c.target, c.name, c.said, response, said, want)
		}
	}
}

// Since a site gets its own name as Host whatever the client said, a name that another's DNS leads here must not pass.
func TestASiteIsReachedByNamesOfTheLoopbackAlone(t *testing.T) {
	server := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") })
	w := openSite(t, server.Listener.Addr().String(), proxy.Rule{}, siteOf(t, "web.shop:80", false))
	_, port, _ := net.SplitHostPort(w.addr)
	for host, served := range map[string]bool{
		"LOCAL": true, "localhost:" + port: true, "LocalHost:" + port: true, "shop.localhost:" + port: true, "127.9.9.9:" + port: true,
		"evil.example:" + port: false, "evil.example": false, "localhost": false, "localhost:1": false, "web.shop": false, "192.0.2.1:" + port: false,
		"localhost.evil.example:" + port: false, "xlocalhost:" + port: false,
	} {
		if response, body := w.ask(t, "GET / HTTP/1.1\nHost: "+host); (response != nil && body == "hello") != served || !served && response != nil {
			t.Errorf("%s: %v %q, want it served: %t", host, response, body, served)
		}
	}
}

func TestASiteIsNoProxy(t *testing.T) {
	server := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") })
	w := openSite(t, server.Listener.Addr().String(), proxy.Rule{}, siteOf(t, "web.shop:80", false))
	for _, head := range []string{"CONNECT db.shop:5432 HTTP/1.1\nHost: db.shop:5432", "GET http://db.shop/ HTTP/1.1\nHost: db.shop", "GET http://web.shop/ HTTP/1.1\nHost: web.shop"} {
		if response, body := w.ask(t, head); response == nil || response.StatusCode != 400 {
			t.Errorf("%q: %v, %q", head, response, body)
		}
	}
	for _, bytes := range []string{"\x05\x01\x00", "\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "\x16\x03\x01\x02\x00"} {
		conn := w.connect()
		_, _ = io.WriteString(conn, bytes)
		_ = conn.SetDeadline(time.Now().Add(patience))
		if got, _ := io.ReadAll(conn); len(got) > 0 {
			t.Errorf("%q is answered %q", bytes, got)
		}
	}
	w.waitReports(0)
}

func TestAWebSocketOfASiteHasTheSitesOrigin(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		ahead := bufio.NewReader(conn)
		r, err := http.ReadRequest(ahead)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: s=1; Domain=web.shop\r\n\r\n%s %s;", r.Host, r.Header.Get("Origin"))
		_, _ = io.Copy(conn, ahead)
	})
	w := openSite(t, to, proxy.Rule{}, siteOf(t, "web.shop:80", false))
	conn := w.connect()
	_, _ = fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %[1]s\r\nOrigin: http://%[1]s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\neager", w.addr)
	ahead := bufio.NewReader(conn)
	response, err := http.ReadResponse(ahead, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Set-Cookie") != "s=1" {
		t.Fatalf("%+v, %v", response, err)
	}
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(ahead); err != nil || string(got) != "web.shop http://web.shop;eager" {
		t.Errorf("%q, %v", got, err)
	}
}

// A rule says whether it trusts the way to the server more than its certificate.
func TestASiteThatSpeaksTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://web.shop/next")
		w.WriteHeader(302)
		_, _ = fmt.Fprint(w, r.Host, " ", r.TLS.ServerName, " ", r.Header.Get("Origin"))
	}))
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	trusting := openSite(t, address, proxy.Rule{TLS: &tls.Config{InsecureSkipVerify: true}}, siteOf(t, "web.shop:https", true))
	response, body := trusting.ask(t, "GET / HTTP/1.1\nHost: LOCAL\nOrigin: http://LOCAL")
	if response == nil || body != "web.shop web.shop https://web.shop" || response.Header.Get("Location") != "http://"+trusting.addr+"/next" {
		t.Errorf("%v %q", response, body)
	}
	plain := web(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://web.shop/next")
		w.WriteHeader(302)
	})
	mistaken := openSite(t, plain.Listener.Addr().String(), proxy.Rule{TLS: &tls.Config{InsecureSkipVerify: true}}, siteOf(t, "web.shop:https", true))
	for range 2 {
		if response, body := mistaken.ask(t, "GET / HTTP/1.1\nHost: LOCAL"); response == nil || response.Header.Get("Location") != "http://"+mistaken.addr+"/next" {
			t.Errorf("plain HTTP at a port called https: %v %q", response, body)
		}
	}
	if response, body = openSite(t, plain.Listener.Addr().String(), proxy.Rule{}, siteOf(t, "web.shop:https", true)).ask(t, "GET / HTTP/1.1\nHost: LOCAL"); response == nil || response.StatusCode != 502 {
		t.Errorf("plain HTTP where certificates are checked: %v %q", response, body)
	}
	if response, body = openSite(t, address, proxy.Rule{}, siteOf(t, "web.shop:443", true)).ask(t, "GET / HTTP/1.1\nHost: LOCAL"); response == nil || response.StatusCode != 502 {
		t.Errorf("an unknown authority's certificate: %v %q", response, body)
	}
}

// A rule that refuses requests of other origins takes the listener's for the site's own.
func TestASiteRefusesOtherOriginsByItsRule(t *testing.T) {
	server := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") })
	w := openSite(t, server.Listener.Addr().String(), proxy.Rule{SameOrigin: true}, siteOf(t, "web.shop:80", false))
	for origin, status := range map[string]int{"http://LOCAL": 200, "http://evil.example": 403, "http://web.shop": 403, "null": 403} {
		if response, body := w.ask(t, "POST / HTTP/1.1\nHost: LOCAL\nContent-Length: 0\nOrigin: "+origin); response == nil || response.StatusCode != status {
			t.Errorf("%s: %v %q, want %d", origin, response, body, status)
		}
	}
}

func TestAListenerMaySpeakOneLanguage(t *testing.T) {
	to := target(t, echo)
	for only, want := range map[proxy.Language]string{proxy.HTTP1: "HTTP", proxy.SOCKS: "SOCKS", proxy.AnyLanguage: "HTTP SOCKS"} {
		w := openServing(t, direct(), listen(t), func(s *proxy.Server, ctx context.Context, ln net.Listener) error {
			return s.ServeOnly(ctx, ln, only)
		})
		var spoken []string
		response, text := w.ask(t, "CONNECT "+to+" HTTP/1.1\nHost: x")
		switch {
		case response != nil && response.StatusCode == 200:
			spoken = append(spoken, "HTTP")
		case response == nil || response.StatusCode != 400 || !strings.Contains(text, "socks5h://"):
			t.Errorf("%d: HTTP is answered %v, %q", only, response, text)
		}
		conn := w.connect()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, "\x05\x01\x00")
		var choice [2]byte
		if _, err := io.ReadFull(conn, choice[:]); err != nil || choice[1] != 0 && choice[1] != 0xff {
			t.Errorf("%d: SOCKS is answered %v, %v", only, choice, err)
		}
		if choice[1] == 0 {
			spoken = append(spoken, "SOCKS")
		}
		_ = conn.Close()
		if got := strings.Join(spoken, " "); got != want {
			t.Errorf("%d: it speaks %s, want %s", only, got, want)
		}
	}
}
