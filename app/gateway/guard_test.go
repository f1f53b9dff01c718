package gateway

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"fairlead/build/proxytest"
)

// What is refused of direct connections is refused through upstreams, and an own listener is no upstream.
func TestUpstreamsLeadNowhereThatIsRefused(t *testing.T) {
	here := proxytest.HTTP(t, "http", proxytest.Options{})
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	settings := fmt.Sprintf("upstreams:\n  here: {url: \"http://%s\"}\n  there: {url: \"http://web.default\", in: cluster}\n", here.Address)
	for _, upstream := range []string{"here", "there"} {
		at := served(t, outsideOf(t, settings+"defaults: {outside: "+upstream+"}\n"))
		for _, target := range []string{
			"127.0.0.1:22", "localhost:22", "a.localhost:22", "[::1]:22", "0.0.0.0:22", "169.254.169.254:80", "metadata.google.internal:80",
			"[fe80::1]:80", "[fd00:ec2::254]:80", "100.100.100.200:80", "[::ffff:127.0.0.1]:22", "[64:ff9b::7f00:1]:22", "224.0.0.1:80",
			"0x7f000001:22", "2130706433:22", at,
		} {
			if status, text := connect(t, at, target); status != 403 || !strings.Contains(text, "not reachable through this proxy") {
				t.Errorf("%s, %s: %d %q", upstream, target, status, text)
			}
		}
		if upstream == "here" {
			if status, text := connect(t, at, own+":22"); status != 403 {
				t.Errorf("%s: %d %q", own, status, text)
			}
		}
	}
	if got := here.Tunnels(); len(got) > 0 {
		t.Errorf("the upstream was asked for %q", got)
	}
}

// A port that becomes Fairlead's own after the settings were read is not dialled.
func TestAnOwnListenerIsNoUpstream(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	g := outsideGateways(t, fmt.Sprintf("upstreams: {x: {url: \"http://%s\"}}\ndefaults: {outside: x}\n", listener.Addr()))
	g.config.Own = func(address netip.AddrPort) bool { return address.String() == listener.Addr().String() }
	at := served(t, g.Outside(g.config.Settings.Effective("demo")))
	if status, text := connect(t, at, "db.corp.example:80"); status != 502 || !strings.Contains(text, "that proxy is this program's own") {
		t.Errorf("%d %q", status, text)
	}
}
