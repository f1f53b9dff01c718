package gateway

import (
	"context"
	"net"

	"fairlead/kube"
	"fairlead/proxy"
)

// HostName is the name by which captured programs reach this machine's loopback.
const HostName = "host.fairlead"

// hostRule leads to this machine's loopback.
var hostRule = proxy.Rule{Name: "host", Match: func(_ context.Context, t proxy.Target) (proxy.Dialer, error) {
	if t.Host != HostName {
		return nil, nil
	}
	return loopback{}, nil
}}

// loopback dials ports of this machine's loopback.
type loopback struct{}

// DialContext connects to the address's port.
func (loopback) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		if other, otherErr := dialer.DialContext(ctx, network, net.JoinHostPort("::1", port)); otherErr == nil {
			return other, nil
		}
		return nil, err
	}
	return conn, nil
}

// ServeCaptured serves the connections of a listener, whose targets are known without a handshake, by the context's routes.
// It is like proxy.Server's ServeTarget, and must return before Serve does.
func (p *Gateway) ServeCaptured(ctx context.Context, listener net.Listener, target func(net.Conn) (proxy.Target, error)) error {
	return p.server.ServeTarget(ctx, listener, target)
}

// A Place is where a name leads.
type Place struct {
	InCluster bool
	Exists    bool
}

// Find reports where a name leads from this context, and whether it exists. After an error, this is not known, and a
// connection to the name fails with the reason.
func (p *Gateway) Find(ctx context.Context, host string) (Place, error) {
	p.mutex.Lock()
	cluster, outside := p.current.cluster, p.current.plan.outside
	p.mutex.Unlock()
	found, err := cluster.Lookup(ctx, host)
	if err != nil {
		return Place{InCluster: true}, err
	}
	if found.InCluster {
		exists, err := found.Exists(ctx)
		return Place{InCluster: true, Exists: exists}, err
	}
	if _, refused := outside.find(host, 443).dialer.(refusal); refused {
		return Place{Exists: true}, nil // the connection says that it is refused, so the name is not looked up
	}
	exists, err := outside.isPublic(ctx, host)
	return Place{Exists: exists}, err
}

// Instances returns where a named port of a host is served, and whether the host is in the cluster.
func (p *Gateway) Instances(ctx context.Context, host, port string) (found []kube.Instance, inCluster bool, err error) {
	h, err := p.Cluster().Lookup(ctx, host)
	if err != nil || !h.InCluster {
		return nil, err != nil, err
	}
	found, err = h.Instances(ctx, port)
	return found, true, err
}

// Namespace returns the namespace of names that have none.
func (p *Gateway) Namespace() string { return p.Cluster().Namespace() }
