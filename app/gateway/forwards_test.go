package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/app/session"
	"fairlead/build/testport"
	"fairlead/proxy/hostport"
)

// writeSettings replaces the settings of gateways.
func writeSettings(t *testing.T, g *Gateways, text string) {
	t.Helper()
	file := g.config.Settings.File()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.config.Settings.Reload()
	if err := g.config.Settings.Problem(); err != nil {
		t.Fatal(err)
	}
}

// freeAddress returns a loopback address whose port is free in TCP, and is given to no connection meanwhile.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(testport.Free(t)))
}

func forwardOf(p *Gateway) session.Endpoint {
	return append(p.Endpoints().Forwards(), session.Endpoint{})[0]
}

// A forward comes and goes with its context, and with the settings while the context is on.
func TestAForwardListensWhileItsContextIsOn(t *testing.T) {
	g := demoGateways(t, anyPort)
	first, second := freeAddress(t), freeAddress(t)
	writeSettings(t, g, "contexts: {demo: {forwards: [{listen: "+first.String()+", to: db.billing:5432}]}}\n")
	ctx, off := context.WithCancel(t.Context())
	p, served := startDemo(t, ctx, g)
	want := session.Endpoint{Address: first.String(), Kind: session.ForwardEndpoint, Target: "db.billing:5432", Protocol: "tcp"}
	if got := forwardOf(p); got != want {
		t.Errorf("the forward is %+v, want %+v", got, want)
	}
	if !g.isOwn(first) {
		t.Error("it is not known as our own: a route could lead from Fairlead to itself")
	}
	before := p.Endpoints().ProxyAddress()
	accepted(t, first.String())

	writeSettings(t, g, "contexts: {demo: {forwards: [{listen: "+second.String()+", to: db.billing:5432}]}}\n")
	if err := p.Reconfigure(ctx); err != nil {
		t.Fatalf("a change of a forward: %v", err)
	}
	accepted(t, second.String())
	refused(t, first.String())
	if now := p.Endpoints().ProxyAddress(); now != before {
		t.Errorf("the proxy moved from %s to %s", before, now)
	}
	off()
	if err := <-served; err != nil {
		t.Error(err)
	}
	refused(t, second.String())

	// A change that comes late opens nothing that nobody would close.
	writeSettings(t, g, "contexts: {demo: {forwards: [{listen: "+first.String()+", to: db.billing:5432}]}}\n")
	if err := p.Reconfigure(t.Context()); err != nil {
		t.Error(err)
	}
	refused(t, first.String())
	if addresses := p.forwards.addresses(); len(addresses) > 0 {
		t.Errorf("it listens at %v after its end", addresses)
	}
}

func accepted(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if errors.Is(err, syscall.ECONNRESET) {
		return // refused by the cluster, which is none
	}
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	_ = conn.Close()
}

func refused(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s: %v, want refused", address, err)
	}
}

// Another program's port keeps neither the context nor its other forwards from being served, and is taken once it is free.
func TestATakenLocalPortIsSaidAndTriedAgain(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := freeAddress(t)
	g := demoGateways(t, anyPort)
	writeSettings(t, g, "contexts: {demo: {forwards: [{listen: "+taken.Addr().String()+", to: db:5432}, {listen: "+free.String()+", to: web:80}]}}\n")
	ctx, off := context.WithCancel(t.Context())
	p, served := startDemo(t, ctx, g)
	accepted(t, free.String())
	if problem := forwardOf(p).Problem; !strings.Contains(problem, "gateway.test") {
		t.Errorf("the problem is %q, want one that names who has the port", problem)
	}
	for len(p.Changed()) > 0 {
		<-p.Changed()
	}
	_ = taken.Close()
	select {
	case <-p.Changed():
	case <-time.After(time.Minute):
		t.Fatal("the port is free, and not taken within a minute")
	}
	if problem := forwardOf(p).Problem; problem != "" {
		t.Errorf("it listens, and has the problem %q", problem)
	}
	accepted(t, taken.Addr().String())
	off()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A forward cannot ask for a password, so it is the user's alone where other users need one.
func TestOtherUsersNeedThePasswordThatAForwardCannotAskFor(t *testing.T) {
	g := demoGateways(t, anyPort)
	at := netip.MustParseAddrPort("127.0.0.1:5432")
	client, elsewhere := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:1080")
	for text, asked := range map[string]bool{
		"other-users: true":                 false,
		"other-users: true, password: true": true,
		"other-users: false":                true,
	} {
		writeSettings(t, g, "contexts: {demo: {"+text+", forwards: [{listen: 5432, to: db:5432}]}}\n")
		check := peerOf(g.config.Settings.Effective("demo"))
		if (check != nil) != asked {
			t.Fatalf("%s: users are told apart: %t", text, check != nil)
		}
		if !asked {
			continue
		}
		// No such connection exists, so that the check cannot find its user, and refuses.
		if check(client, at) == nil {
			t.Errorf("%s: anybody may use the forward", text)
		}
		if lenient := check(client, elsewhere) == nil; lenient != strings.Contains(text, "true,") {
			t.Errorf("%s: anybody may use the proxy: %t", text, lenient)
		}
	}
}

// A host outside has no names of its own for ports: the usual ones lead to a forward's target, by its route.
func TestAForwardToAHostOutsideMayNameItsPort(t *testing.T) {
	outside := outsideOf(t, "upstreams: {corp: {url: \"http://proxy.example:3128\"}}\ncontexts: {demo: {routes: [{to: [\"db.example:443\"], via: corp}]}}")
	for text, want := range map[string]string{"db.example:https": "corp", "db.example:443": "corp", "db.example:http": "direct", "db.example:no-such": ""} {
		to, err := hostport.ParseNamed(text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, rule := range outside.rules() {
			if dialer, err := rule.Match(t.Context(), to); err != nil || dialer != nil {
				if err == nil {
					got = rule.Name
				}
				break
			}
		}
		if got != want {
			t.Errorf("%s goes %q, want %q", text, got, want)
		}
	}
}
