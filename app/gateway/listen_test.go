package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/app/explain"
)

// demoGateways returns the gateways of a kubeconfig with the context demo, which listens at the given addresses.
func demoGateways(t *testing.T, addresses ...netip.AddrPort) *Gateways {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfigFor("https://127.0.0.1:1")), 0o600); err != nil {
		t.Fatal(err)
	}
	g := gatewaysOf(t, file)
	g.config.Settings.ListenAt("demo", addresses...)
	return g
}

// startDemo starts the context demo, and returns what its Serve returns when ctx has ended.
func startDemo(t *testing.T, ctx context.Context, g *Gateways) (*Gateway, <-chan error) {
	t.Helper()
	started, err := g.Start(ctx, "demo", true, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- started.Serve(ctx) }()
	return started.(*Gateway), served
}

// addressesOf returns the addresses of a gateway's listeners.
func addressesOf(p *Gateway) []netip.AddrPort {
	var addresses []netip.AddrPort
	for _, l := range p.listeners {
		addresses = append(addresses, netip.MustParseAddrPort(l.Addr().String()))
	}
	return addresses
}

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// page returns the text that a context's proxy serves itself.
func page(t *testing.T, address netip.AddrPort) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	response, err := client.Get("http://" + address.String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestListenersOfAContextServeOneProxyAndCloseTogether(t *testing.T) {
	g := demoGateways(t, anyPort, anyPort)
	ctx, off := context.WithCancel(t.Context())
	p, served := startDemo(t, ctx, g)
	addresses := addressesOf(p)
	if len(addresses) != 2 || addresses[0] == addresses[1] {
		t.Fatalf("it listens at %v, want two addresses", addresses)
	}
	for _, address := range addresses {
		if text := page(t, address); !strings.Contains(text, "demo") {
			t.Errorf("%s serves %q", address, text)
		}
	}
	off()
	if err := <-served; err != nil {
		t.Error(err)
	}
	for _, address := range addresses {
		if _, err := net.Dial("tcp", address.String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s after the context went off: %v", address, err)
		}
	}
}

// A route that leads to any listener of a context would lead from Fairlead to itself.
func TestEveryListenerOfAContextIsOurOwn(t *testing.T) {
	g := demoGateways(t, anyPort, anyPort)
	ctx, off := context.WithCancel(t.Context())
	p, served := startDemo(t, ctx, g)
	config, _ := g.Cluster(g.config.Kubeconfig(), "demo", p.current.plan.settings, p.current.plan.outside)
	direct := g.direct(p.current.plan.settings)
	for _, address := range addressesOf(p) {
		if !config.Own(address) || !direct.Own(address) {
			t.Errorf("%s of %v is not known as our own", address, addressesOf(p))
		}
	}
	off()
	if err := <-served; err != nil {
		t.Error(err)
	}
	for _, address := range addressesOf(p) {
		if direct.Own(address) {
			t.Errorf("%s is known as our own after the context went off", address)
		}
	}
}

func TestATakenPortIsNamedAndNoListenerStaysOpen(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	first, second := netip.MustParseAddrPort(free.Addr().String()), netip.MustParseAddrPort(taken.Addr().String())
	g := demoGateways(t, first, second)
	if _, err = g.Start(t.Context(), "demo", true, func(error) {}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("started: %v", err)
	}
	if said := explain.Error(err).Sentence; !strings.Contains(said, second.String()) {
		t.Errorf("%q does not name %s", said, second)
	}
	if _, err := net.Dial("tcp", first.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the other port, %s: %v", first, err)
	}
	if g.isOwn(first) || g.Running("demo") != nil {
		t.Error("a context that did not start counts as running")
	}
}

func TestAListenerThatEndsByItselfEndsTheOthers(t *testing.T) {
	g := demoGateways(t, anyPort, anyPort)
	p, served := startDemo(t, t.Context(), g)
	if err := p.listeners[1].Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-served:
		if lost := p.listeners[1].Addr().String(); err == nil || !strings.Contains(err.Error(), lost) {
			t.Errorf("served: %v, want an error that names %s", err, lost)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it serves on with one listener")
	}
	if _, err := net.Dial("tcp", p.Endpoints().ProxyAddress()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the other listener: %v", err)
	}
}

func TestAChangeOfAnyAddressNeedsARestart(t *testing.T) {
	g := demoGateways(t, anyPort, anyPort)
	ctx, off := context.WithCancel(t.Context())
	p, served := startDemo(t, ctx, g)
	if err := p.Reconfigure(ctx); err != nil {
		t.Errorf("without a change: %v", err)
	}
	g.config.Settings.ListenAt("demo", anyPort, netip.MustParseAddrPort("127.0.0.2:0"))
	if err := p.Reconfigure(ctx); err == nil {
		t.Error("a change of the second address was applied without a restart")
	}
	off()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
