package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// kubeconfigFor returns a kubeconfig with one context, demo. Nothing connects to its API server.
func kubeconfigFor(server string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: demo, context: {cluster: c, user: u}}]
`, server)
}

// gatewaysOf returns the gateways of a kubeconfig file, which is read at each start and change, with an empty state.
func gatewaysOf(t *testing.T, file string) *Gateways {
	t.Helper()
	store, damage, err := settings.Open(t.TempDir())
	if err := errors.Join(err, damage); err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Kubeconfig: func() *kubeconfig.Config { k := kubeconfig.Load(file); return &k },
		Settings:   settings.Load(store, filepath.Join(t.TempDir(), "config.yaml")), Log: zerolog.Nop(),
	})
}

// Changes may come at any moment from the start of a proxy to its end, and their goroutines end with Serve.
func TestChangesAreAppliedWhileAProxyStartsAndEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	write := func(server string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(kubeconfigFor(server)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("https://127.0.0.1:1")
	g := gatewaysOf(t, file)
	g.config.Settings.ListenAt("demo", netip.MustParseAddrPort("127.0.0.1:0"))
	started, err := g.Start(t.Context(), "demo", true, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	p := started.(*Gateway)
	change := func(server string) {
		t.Helper()
		before := p.Cluster()
		write(server)
		if err := p.Reconfigure(t.Context()); err != nil {
			t.Error(err)
		}
		if p.Cluster() == before && server != "https://127.0.0.1:9" {
			t.Errorf("%s was not applied", server)
		}
	}
	change("https://127.0.0.1:2")

	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx) }()
	change("https://127.0.0.1:3")
	conn, err := net.Dial("tcp", p.Endpoints().ProxyAddress())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	stop()
	change("https://127.0.0.1:9")
	if err := <-served; err != nil {
		t.Errorf("served: %v", err)
	}
	change("https://127.0.0.1:9")
}

// listenerAt is a listener that has an address and accepts nothing.
type listenerAt struct{ address net.Addr }

func (l listenerAt) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l listenerAt) Close() error              { return nil }
func (l listenerAt) Addr() net.Addr            { return l.address }

// A proxy that listens on all addresses of this machine does not listen on another machine's.
func TestAnotherMachinesProxyIsNotOurOwn(t *testing.T) {
	p := &Gateway{listeners: []net.Listener{listenerAt{net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[::]:1080"))}}}
	p.forwards = newForwards(p, false)
	var running running
	running.add(p)
	for address, own := range map[string]bool{
		"127.0.0.1:1080": true, "[::1]:1080": true, "0.0.0.0:1080": true, "127.0.0.1:1081": false, "192.0.2.1:1080": false,
	} {
		if got := running.listensAt(netip.MustParseAddrPort(address)); got != own {
			t.Errorf("%s is our own: %v", address, got)
		}
	}
}

// Restoring a context is no click of the user's, whatever its entry says by then.
func TestARestoredContextLetsNoPluginRunThatIsNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := strings.Replace(kubeconfigFor("https://127.0.0.1:1"), "{token: t}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, interactiveMode: Never}}", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	store, damage, err := settings.Open(t.TempDir())
	if err := errors.Join(err, damage, store.SetOn("demo", true)); err != nil {
		t.Fatal(err)
	}
	g := New(Config{
		Kubeconfig: func() *kubeconfig.Config { k := kubeconfig.Load(file); return &k },
		Settings:   settings.Load(store, filepath.Join(t.TempDir(), "config.yaml")), Log: zerolog.Nop(),
	})
	g.config.Settings.ListenAt("demo", netip.MustParseAddrPort("127.0.0.1:0"))
	for _, restored := range []bool{true, false} {
		started, err := g.Start(t.Context(), "demo", restored, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		p := started.(*Gateway)
		if plugin := p.Cluster().Plugin(); plugin == "" || g.config.Settings.Approved(plugin) == restored {
			t.Errorf("restored: %t, plugin %q: it may run: %t", restored, plugin, restored)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Serve(ctx); err != nil {
			t.Error(err)
		}
	}
}
