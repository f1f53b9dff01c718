package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/settings"
	"fairlead/build/proxytest"
	"fairlead/proxy"
)

// outsideOf returns the routes of a context by a text of the settings.
func outsideOf(t *testing.T, text string) *Outside {
	t.Helper()
	g := outsideGateways(t, text)
	return g.Outside(g.config.Settings.Effective("demo"))
}

// outsideGateways returns gateways with a text of the settings.
func outsideGateways(t *testing.T, text string) *Gateways {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return New(Config{Settings: settings.Peek(t.TempDir(), file), Log: zerolog.Nop()})
}

// served serves the routes without a cluster, and returns the address.
func served(t *testing.T, outside *Outside) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := proxy.New(proxy.Config{
		Rules:  outside.rules(),
		Answer: func(target string, err error) proxy.Answer { return answer(explain.Error(err).For(target)) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// corpSite serves "hello" plainly and returns its port. Only the proxies know that db.corp.example is here.
func corpSite(t *testing.T) (port string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return port
}

var corpHosts = proxytest.Options{Hosts: map[string]string{"db.corp.example": "127.0.0.1"}}

// ask asks for a page through a proxy, which is a URL, and returns its status and body.
func ask(t *testing.T, through, page string) (status int, body string) {
	t.Helper()
	via, err := url.Parse(through)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(via), DisableKeepAlives: true}, Timeout: 60 * time.Second}
	response, err := client.Get(page)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

func TestARouteLeadsThroughItsUpstreamByName(t *testing.T) {
	port := corpSite(t)
	corp := proxytest.Tinyproxy(t, corpHosts)
	at := served(t, outsideOf(t, fmt.Sprintf(`
upstreams: {corp: {url: "http://%s"}}
defaults: {outside: refuse}
contexts: {demo: {routes: [{to: ["*.corp.example"], via: corp}]}}
`, corp.Address)))
	for _, scheme := range []string{"http", "socks5h"} {
		if status, body := ask(t, scheme+"://"+at, "http://db.corp.example:"+port+"/"); status != 200 || body != "hello" {
			t.Errorf("%s: %d %q", scheme, status, body)
		}
	}
	if asked := strings.Join(corp.Tunnels(), " "); !strings.Contains(asked, "db.corp.example:"+port) {
		t.Errorf("the upstream was asked for %q", asked)
	}
	if status, body := ask(t, "http://"+at, "http://db.other.example:"+port+"/"); status != 403 || !strings.Contains(body, "outside: refuse") {
		t.Errorf("what no route is for: %d %q", status, body)
	}
}

// Every kind of proxy, with a client certificate and without, and two in turn, must lead to a name that it alone knows.
func TestEveryRealProxyIsAnUpstream(t *testing.T) {
	port := corpSite(t)
	c := proxytest.NewCertificates(t)
	tinyproxy := proxytest.Tinyproxy(t, corpHosts)
	squid, dante := proxytest.Squid(t, corpHosts), proxytest.Dante(t, corpHosts)
	mitmproxy, _ := proxytest.Mitmproxy(t, corpHosts)
	open, guarded := proxytest.Stunnel(t, c, false, tinyproxy), proxytest.Stunnel(t, c, true, tinyproxy)
	behindDante := proxytest.Stunnel(t, c, true, dante)
	login := proxytest.Tinyproxy(t, proxytest.Options{Login: true, Hosts: corpHosts.Hosts})
	files := fmt.Sprintf("ca: %q, cert: %q, key: %q, server-name: localhost", c.File("ca.crt"), c.File("client.crt"), c.File("client.key"))
	settings := fmt.Sprintf(`
upstreams:
  tinyproxy: {url: "http://%s"}
  squid: {url: "http://%s"}
  dante: {url: "socks5://%s"}
  mitmproxy: {url: "http://%s"}
  stunnel: {url: "https://%s", ca: %q}
  certificate: {url: "https://%s", %s}
  http-over-tls: {url: "http://%[7]s", %[8]s}
  socks-over-tls: {url: "socks5h://%s", %[8]s}
  login: {url: "http://me:s3cretw0rd@%[10]s"}
  squid-by-tls: {url: "http://%[2]s", via: certificate}
  dante-by-tls: {url: "socks5h://%[3]s", via: certificate}
  tls-by-dante: {url: "https://%[7]s", %[8]s, via: dante}
  three: {url: "http://%[2]s", via: tls-by-dante}
`, tinyproxy.Address, squid.Address, dante.Address, mitmproxy.Address, open.Address, c.File("ca.crt"), guarded.Address, files, behindDante.Address, login.Address)
	for _, name := range []string{
		"tinyproxy", "squid", "dante", "mitmproxy", "stunnel", "certificate", "http-over-tls", "socks-over-tls", "login", "squid-by-tls", "dante-by-tls", "tls-by-dante", "three",
	} {
		t.Run(name, func(t *testing.T) {
			at := served(t, outsideOf(t, settings+"defaults: {outside: "+name+"}\n"))
			for _, scheme := range []string{"http", "socks5h"} {
				if status, body := ask(t, scheme+"://"+at, "http://db.corp.example:"+port+"/"); status != 200 || body != "hello" {
					t.Errorf("%s: %d %q", scheme, status, body)
				}
			}
		})
	}
}

// A browser's configuration sends to the proxy what has a route of its own, and nothing that goes out directly.
func TestTheBrowsersConfigurationHasTheRoutes(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                          "[] false",
		"defaults: {outside: refuse}": "[] false",
		"upstreams: {e: {url: \"http://p\"}}\ndefaults: {outside: e}":                        "[] true",
		"defaults: {routes: [{to: [a.example, 10.0.0.0/8], via: direct}]}":                   "[{a.example invalid Prefix 0 true} { 10.0.0.0/8 0 true}] false",
		"defaults: {routes: [{to: [\"*.ads.example:443\"], via: refuse}]}":                   "[{*.ads.example invalid Prefix 443 false}] false",
		"defaults: {routes: [{to: [a.example], via: direct}, {to: [\"a b\"], via: direct}]}": "[{a.example invalid Prefix 0 true} {* invalid Prefix 0 false}] true",
	} {
		routes, others := pacRoutes(outsideGateways(t, text).config.Settings.Effective("demo"))
		if got := fmt.Sprint(routes, " ", others); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
