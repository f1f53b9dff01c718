package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"fairlead/build/clustertest"
	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

// A podNetwork is a carrier for machines in the Pods' network. The addresses of the test cluster's Pods lead nowhere, so it
// connects to a server of the test instead.
type podNetwork struct {
	server string // host:port

	mu    sync.Mutex
	went  []carrier.Endpoint
	conns []net.Conn
}

func (p *podNetwork) Run(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	return nil
}

func (p *podNetwork) Dial(ctx context.Context, endpoints []carrier.Endpoint, _ carrier.Renew) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.server)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.went, p.conns = append(p.went, endpoints[0]), append(p.conns, conn)
	return conn, nil
}

func (p *podNetwork) Withdraw(string, string, string, carrier.Standing) {}
func (p *podNetwork) Restore(string, string, string)                    {}

func (p *podNetwork) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func (p *podNetwork) last() carrier.Endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.went[len(p.went)-1]
}

// anotherCarrier tests names, addresses and refusals with a carrier that is no port-forward.
func anotherCarrier(t *testing.T, cluster *clustertest.Cluster) {
	makeForms(t, cluster)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Pod", "the network's") }))
	t.Cleanup(server.Close)
	over := &podNetwork{server: server.Listener.Addr().String()}
	c, err := Open(Config{Kubeconfig: cluster.Kubeconfig, Context: "demo", Carrier: over})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	podIP, podName := field(t, cluster, ".status.podIP", "pod", "manual"), "manual"
	for i, address := range []string{"manual.default.pod:8080", podIP + ":8080", "db-0.db:5432"} {
		if pod, err := ask(c, address); err != nil || pod != "the network's" {
			t.Fatalf("%s: %q, %v", address, pod, err)
		}
		if i == 2 {
			podIP, podName = field(t, cluster, ".status.podIP", "pod", "db-0"), "db-0"
		}
		to := over.last()
		if to.Pod != podName || to.Address != netip.MustParseAddr(podIP) || to.Node != "node-1" || to.UID == "" || to.Port == 0 {
			t.Errorf("%s: the carrier was handed %+v", address, to)
		}
	}
	if n := c.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}
	if err := dial(t, c, "lost:80"); !isAbsent(err, fault.Service) {
		t.Errorf("a Service that is not there: %v", err)
	}
	if err := dial(t, c, "shared.forms.pod:8080"); !errors.As(err, new(*fault.HostNetwork)) {
		t.Errorf("a Pod on its node's network: %v", err)
	}
}
