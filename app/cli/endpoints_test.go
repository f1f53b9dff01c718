package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/gateway"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/table"
	"fairlead/kube/kubeconfig"
)

// kubeconfigText has one context, demo. Nothing connects to its API server.
const kubeconfigText = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: demo, context: {cluster: c, user: u}}]
`

// A running Fairlead whose context demo listens at two addresses, with its control socket.
type twoListeners struct {
	model  *session.Manager
	client *control.Client
}

func startTwoListeners(t *testing.T) *twoListeners {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfigText), 0o600); err != nil {
		t.Fatal(err)
	}
	store, damage, err := settings.Open(t.TempDir())
	if err := errors.Join(err, damage); err != nil {
		t.Fatal(err)
	}
	s := settings.Load(store, filepath.Join(t.TempDir(), "config.yaml"))
	anyPort := netip.MustParseAddrPort("127.0.0.1:0")
	s.ListenAt("demo", anyPort, anyPort)
	k := kubeconfig.Load(file)
	gateways := gateway.New(gateway.Config{Kubeconfig: func() *kubeconfig.Config { return &k }, Settings: s, Log: zerolog.Nop()})
	model := session.New(session.Config{Start: gateways.Start, Reason: gateway.Reason})
	path := filepath.Join(t.TempDir(), "control.sock")
	socket, err := control.Listen(path, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := model.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	group.Go(func() {
		if err := (control.Server{Model: model}).Serve(ctx, socket); err != nil {
			t.Error(err)
		}
	})
	client := control.NewClient(path)
	t.Cleanup(func() { stop(); group.Wait(); client.Close() })
	if err := model.Do(ctx, session.SetContexts{Entries: []session.Entry{{Name: "demo"}}}); err != nil {
		t.Fatal(err)
	}
	return &twoListeners{model: model, client: client}
}

// phase waits until demo is in a phase, and returns the status then.
func (r *twoListeners) phase(t *testing.T, want func(session.Phase) bool) control.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for status, err := range r.client.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if want(status.Contexts[0].Phase) {
			return status
		}
	}
	t.Fatalf("demo is %+v", r.model.Snapshot().Contexts[0])
	return control.Status{}
}

func TestAllListenersOfAContextAreShownAndCloseWithIt(t *testing.T) {
	r := startTwoListeners(t)
	if err := r.client.On(t.Context(), []string{"demo"}, false, ""); err != nil {
		t.Fatal(err)
	}
	status := r.phase(t, session.Phase.Listening)
	state := r.model.Snapshot().Contexts[0]
	addresses := state.Endpoints.Addresses()
	if len(addresses) != 2 || addresses[0] == addresses[1] || state.Endpoints.ProxyAddress() != addresses[0] {
		t.Fatalf("the model has the addresses %v, want two, of which the first is the proxy's", addresses)
	}
	for _, address := range addresses {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		conn.Close()
	}
	want := []control.Endpoint{{Address: addresses[0], Kind: session.ProxyEndpoint}, {Address: addresses[1], Kind: session.ProxyEndpoint}}
	if c := status.Contexts[0]; c.Address != addresses[0] || !reflect.DeepEqual(c.Endpoints, want) {
		t.Errorf("the control socket has %q and %v, want %q and %v", c.Address, c.Endpoints, addresses[0], want)
	}
	var text bytes.Buffer
	if err := printStatus(table.Output{Writer: &text}, command.Options{}, status, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if strings.Count(text.String(), address) != 1 {
			t.Errorf("status does not print %s once:\n%s", address, &text)
		}
	}
	if err := r.client.Off(t.Context(), []string{"demo"}); err != nil {
		t.Fatal(err)
	}
	status = r.phase(t, func(p session.Phase) bool { return p == session.Off })
	for _, address := range addresses {
		if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s after the context went off: %v", address, err)
		}
	}
	text.Reset()
	if err := printStatus(table.Output{Writer: &text}, command.Options{}, status, time.Now()); err != nil || strings.Contains(text.String(), addresses[1]) {
		t.Errorf("%v, after the context went off status prints\n%s", err, &text)
	}
}

// The running Fairlead is named if any of its ports is the one that a context cannot have.
func TestPortsOfAContextAreThoseOfAllItsEndpoints(t *testing.T) {
	s := session.State{Endpoints: append(session.ProxyAt("127.0.0.1:1080"), session.ProxyAt("[::1]:1081")...)}
	if got := fmt.Sprint(ports(s)); got != "[1080 1081]" {
		t.Errorf("ports %s", got)
	}
}
