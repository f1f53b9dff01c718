package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"fairlead/build/proxytest"
)

// corpHosts makes a proxy the only one that knows db.corp.example.
var corpHosts = proxytest.Options{Hosts: map[string]string{"db.corp.example": "127.0.0.1"}}

// corpSite serves what it gets, and returns its port.
func corpSite(t *testing.T) (port string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from corp") }))
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return port
}

// serveWith runs serve of demo with a text of the settings, and returns the address.
func serveWith(t *testing.T, settings string) (r *running, address string) {
	t.Helper()
	config := t.TempDir()
	writeFile(t, filepath.Join(config, "fairlead", "config.yaml"), settings)
	r = start(t, []string{"XDG_CONFIG_HOME=" + config}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	_, address, _ = strings.Cut(r.line(t), "socks5h://")
	r.state = config
	return r, address
}

// curl asks for a page through a proxy, and returns the body and the status.
func curl(t *testing.T, proxy, page string) string {
	t.Helper()
	return run(t, "", "curl", "-sS", "--noproxy", "", "-m", "60", "-w", " %{http_code}", "-x", proxy, page)
}

// Real proxies as Pods: by any name of their Service, with a client certificate, and one behind the other.
func TestUpstreamsInTheCluster(t *testing.T) {
	port := corpSite(t)
	c := proxytest.NewCertificates(t)
	tinyproxy, squid, dante := proxytest.Tinyproxy(t, corpHosts), proxytest.Squid(t, corpHosts), proxytest.Dante(t, corpHosts)
	mitmproxy, _ := proxytest.Mitmproxy(t, corpHosts)
	stunnel := proxytest.Stunnel(t, c, true, tinyproxy)
	for name, p := range map[string]*proxytest.Proxy{"tinyproxy": tinyproxy, "squid": squid, "dante": dante, "stunnel": stunnel, "mitmproxy": mitmproxy} {
		door(t, "route-"+name, p.Address)
	}
	ip := strings.TrimSpace(kubectl(t, "get", "service", "route-tinyproxy", "-o", "jsonpath={.spec.clusterIP}"))
	files := fmt.Sprintf("ca: %q, cert: %q, key: %q, server-name: localhost", c.File("ca.crt"), c.File("client.crt"), c.File("client.key"))
	upstreams := fmt.Sprintf(`
upstreams:
  short: {url: "http://route-tinyproxy:80", in: cluster}
  namespaced: {url: "http://route-tinyproxy.default:80", in: cluster}
  full: {url: "http://route-tinyproxy.default.svc.cluster.local:80", in: cluster}
  address: {url: "http://%s:80", in: cluster}
  squid: {url: "http://route-squid.default", in: cluster}
  dante: {url: "socks5h://route-dante.default:80", in: cluster}
  mitmproxy: {url: "http://route-mitmproxy.default:80", in: cluster}
  zero: {url: "https://route-stunnel.default:80", in: cluster, %s}
  squid-by-zero: {url: "http://%s", via: zero}
  zero-by-dante: {url: "https://%s", via: dante, %[2]s}
`, ip, files, squid.Address, stunnel.Address)
	for _, name := range []string{"short", "namespaced", "full", "address", "squid", "dante", "mitmproxy", "zero", "squid-by-zero", "zero-by-dante"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := serveWith(t, upstreams+"contexts: {demo: {outside: refuse, routes: [{to: ['*.corp.example'], via: "+name+"}]}}\n")
			for _, scheme := range []string{"http", "socks5h"} {
				if got := curl(t, scheme+"://"+address, "http://db.corp.example:"+port+"/"); got != "from corp 200" {
					t.Errorf("%s: %s", scheme, got)
				}
			}
			if got := curl(t, "http://"+address, "http://hello.default/"); !strings.Contains(got, "default/hello-") {
				t.Errorf("the cluster: %s", got)
			}
		})
	}
}

// What leads out of the cluster from within it goes by the routes, too.
func TestEndpointsThatAreNoPodsFollowTheRoutes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from corp") }))
	t.Cleanup(server.Close)
	site := server.Listener.Addr().String()
	egress := proxytest.HTTP(t, "http", proxytest.Options{Hosts: map[string]string{"db.corp.example:80": site, "10.20.0.5:80": site}})
	door(t, "route-egress", egress.Address)
	apply(t, `
apiVersion: v1
kind: Service
metadata: {name: route-alias}
spec: {type: ExternalName, externalName: db.corp.example, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: route-handmade}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: route-handmade-1, labels: {kubernetes.io/service-name: route-handmade}}
addressType: IPv4
ports: [{name: http, port: 80}]
endpoints: [{addresses: [10.20.0.5]}]
`)
	_, address := serveWith(t, `
upstreams: {egress: {url: "http://route-egress.default", in: cluster}}
contexts: {demo: {outside: refuse, routes: [{to: ["*.corp.example", 10.20.0.0/16], via: egress}]}}
`)
	for _, host := range []string{"route-alias.default", "route-handmade.default"} {
		if got := curl(t, "socks5h://"+address, "http://"+host+"/"); got != "from corp 200" {
			t.Errorf("%s: %s", host, got)
		}
	}
	if asked := egress.Tunnels(); len(asked) != 2 {
		t.Errorf("the upstream was asked for %q", asked)
	}
}

// An upstream's fault is said of it, and leaves the context as it is.
func TestAnUpstreamsFaultLeavesItsContextOn(t *testing.T) {
	dead := proxytest.Dead(t)
	door(t, "route-dead", dead)
	r, address := serveWith(t, fmt.Sprintf(`
upstreams:
  none: {url: "http://nobody.default:8888", in: cluster}
  shut: {url: "http://route-dead.default", in: cluster}
  dead: {url: "http://me:s3cretw0rd@%s"}
contexts:
  demo:
    routes:
      - {to: [a.corp.example], via: none}
      - {to: [b.corp.example], via: shut}
      - {to: [c.corp.example], via: dead}
`, dead))
	for host, want := range map[string]string{
		"a.corp.example": "The upstream none (nobody.default:8888) cannot be reached",
		"b.corp.example": "The upstream shut (route-dead.default:80) cannot be reached",
		"c.corp.example": "The upstream dead (" + dead + ") cannot be reached",
	} {
		if _, reply := socks5(t, address, host, 443); reply != 3 {
			t.Errorf("%s: SOCKS reply %d", host, reply)
		}
		if got := curl(t, "http://"+address, "http://"+host+"/"); !strings.Contains(got, want) || !strings.HasSuffix(got, " 502") {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	if got := curl(t, "http://"+address, "http://hello.default/"); !strings.Contains(got, "default/hello-") {
		t.Errorf("the cluster: %s", got)
	}
	for _, said := range []string{"s3cretw0rd", "needs", "failed"} {
		if strings.Contains(r.stderr.String(), said) {
			t.Errorf("it says %q:\n%s", said, r.stderr)
		}
	}
}

// Two hundred connections at once keep their bytes through each kind of upstream.
func TestTwoHundredConnectionsAtOnceThroughUpstreams(t *testing.T) {
	listener := echoListener(t)
	c := proxytest.NewCertificates(t)
	tinyproxy, squid := proxytest.Tinyproxy(t, corpHosts), proxytest.Squid(t, corpHosts)
	stunnel := proxytest.Stunnel(t, c, true, tinyproxy)
	door(t, "route-many", tinyproxy.Address)
	upstreams := fmt.Sprintf(`
upstreams:
  tinyproxy: {url: "http://%s"}
  squid: {url: "http://%s"}
  zero: {url: "https://%s", ca: %q, cert: %q, key: %q}
  squid-by-zero: {url: "http://%[2]s", via: zero}
  egress: {url: "http://route-many.default", in: cluster}
`, tinyproxy.Address, squid.Address, stunnel.Address, c.File("ca.crt"), c.File("client.crt"), c.File("client.key"))
	for _, name := range []string{"tinyproxy", "squid", "zero", "squid-by-zero", "egress"} {
		t.Run(name, func(t *testing.T) {
			_, address := serveWith(t, upstreams+"defaults: {outside: "+name+"}\n")
			var group errgroup.Group
			for range 200 {
				group.Go(func() error { return echoThrough(t, address, "db.corp.example", int(listener.Port()), 64<<10) })
			}
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// echoListener echoes each connection to its end.
func echoListener(t *testing.T) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // it ends with the client
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// A certificate that is renewed is used from then on, and the connections that are open stay.
func TestARenewedCertificateOfAnUpstreamIsUsedAtOnce(t *testing.T) {
	port := corpSite(t)
	echoes := echoListener(t)
	c, stranger := proxytest.NewCertificates(t), proxytest.NewCertificates(t)
	door(t, "route-renewed", proxytest.Stunnel(t, c, true, proxytest.Tinyproxy(t, corpHosts)).Address)
	own := t.TempDir()
	put := func(from proxytest.Certificates) {
		for _, name := range []string{"client.crt", "client.key"} {
			text, err := os.ReadFile(from.File(name))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(own, name), string(text))
		}
	}
	put(c)
	_, address := serveWith(t, fmt.Sprintf(`
upstreams: {zero: {url: "https://route-renewed.default:80", in: cluster, ca: %q, cert: %q, key: %q, server-name: localhost}}
defaults: {outside: zero}
`, c.File("ca.crt"), filepath.Join(own, "client.crt"), filepath.Join(own, "client.key")))
	page := "http://db.corp.example:" + port + "/"
	if got := curl(t, "http://"+address, page); got != "from corp 200" {
		t.Fatalf("at first: %s", got)
	}
	open, reply := socks5(t, address, "db.corp.example", int(echoes.Port()))
	if reply != 0 {
		t.Fatalf("echo: reply %d", reply)
	}
	put(stranger)
	eventually(t, "another certificate is shown", func() bool {
		return strings.Contains(curl(t, "http://"+address, page), "does not accept the client certificate")
	})
	wantEcho(t, open, "still here")
	put(c)
	eventually(t, "the first certificate is shown again", func() bool { return curl(t, "http://"+address, page) == "from corp 200" })
}

// An upstream whose Service leads out of the cluster, and from there to itself, must not be dialled without end.
func TestAnUpstreamThatLeadsToItselfThroughTheClusterIsRefused(t *testing.T) {
	apply(t, `
apiVersion: v1
kind: Service
metadata: {name: route-loop}
spec: {type: ExternalName, externalName: loop.corp.example, ports: [{port: 80}]}
`)
	_, address := serveWith(t, "upstreams: {loop: {url: \"http://route-loop.default\", in: cluster}}\ndefaults: {outside: loop}\n")
	got := curl(t, "http://"+address, "http://db.corp.example/")
	if !strings.Contains(got, "upstream loop leads out of the cluster, and from there to itself") || !strings.HasSuffix(got, " 502") {
		t.Errorf("got %s", got)
	}
}
