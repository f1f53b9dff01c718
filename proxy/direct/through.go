package direct

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"syscall"

	"fairlead/proxy"
	"fairlead/proxy/upstream"
)

// A Through is a Dialer that connects to hosts outside through a chain of forward proxies. The last proxy resolves
// names. A refusal is a *proxy.RouteError, and a fault of a forward proxy an *upstream.Error. Unless the proxy reports
// it about the target, the latter does not wrap errors that mean a fault of the target.
type Through struct {
	// Chain has the proxies in the order in which they are connected to. There is at least one.
	Chain []upstream.Proxy
	// Cluster connects to the first proxy from within a cluster. If nil, this machine connects to it. The targets of a
	// proxy in a cluster are checked as they are written, because this machine would resolve them differently.
	Cluster func(ctx context.Context, network, address string) (net.Conn, error)
	// OfCluster reports whether an error of Cluster is a fault on the way into the cluster and not one of the proxy.
	// Such an error is returned unchanged. It may be nil.
	OfCluster func(error) bool
	// Policy applies to the targets of proxies outside the cluster.
	Policy Policy
	// Own reports whether a proxy of this program listens at an address. Such an address is never used as a proxy.
	Own func(netip.AddrPort) bool
}

var _ proxy.Forwarder = Through{}

// DialContext connects to address through the chain.
func (t Through) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	if err := t.check(ctx, address); err != nil {
		return nil, err
	}
	conn, err := t.dialer().Dial(ctx, address, t.Chain...)
	if err != nil {
		return nil, t.fault(err)
	}
	return conn, nil
}

// Forward returns the last proxy of the chain. It refuses targets that the proxy may not be asked for.
func (t Through) Forward(ctx context.Context, address string) (*url.URL, error) {
	return t.last().URL, t.check(ctx, address)
}

// DialForward connects to the last proxy of the chain.
func (t Through) DialForward(ctx context.Context, _ *url.URL) (net.Conn, error) {
	conn, err := t.dialer().DialProxy(ctx, t.last(), t.Chain[:len(t.Chain)-1]...)
	if err != nil {
		return nil, t.fault(err)
	}
	// The connection is returned only when it is confirmed, so that a refusal by the proxy is not taken for one by the
	// target.
	if pending, ok := conn.(proxy.Unconfirmed); ok {
		if err := pending.Opened(ctx); err != nil {
			_ = conn.Close()
			return nil, t.fault(&upstream.Error{Proxy: upstream.Address(t.last().URL), Name: t.last().Name, Err: err})
		}
	}
	return conn, nil
}

// Name returns the name of the last proxy of the chain in the settings.
func (t Through) Name() string { return t.last().Name }

func (t Through) last() upstream.Proxy { return t.Chain[len(t.Chain)-1] }

func (t Through) check(ctx context.Context, address string) error {
	if t.Cluster != nil {
		return t.Policy.checkElsewhere(address)
	}
	// A chain that begins on this machine can lead back to it only if all of its proxies are on this machine.
	via := t.last().URL
	for _, hop := range t.Chain {
		if !t.Policy.isHere(ctx, hop.URL) {
			via = hop.URL
			break
		}
	}
	return t.Policy.CheckThrough(ctx, via, address)
}

func (t Through) dialer() upstream.Dialer {
	if t.Cluster != nil {
		return upstream.Dialer{DialContext: t.Cluster, UserAgent: userAgent}
	}
	return upstream.Dialer{DialContext: Dialer{Policy: t.Policy, Own: t.Own}.dialUpstream, UserAgent: userAgent}
}

// fault returns the error of a chain. In a cluster, the first proxy may refuse the connection or be unknown. Such an
// error about the proxy must not look like one about the target.
func (t Through) fault(err error) error {
	failed, ok := errors.AsType[*upstream.Error](err)
	switch {
	case !ok || failed.Problem != upstream.Unusable || t.Cluster == nil:
		return err
	case t.OfCluster != nil && t.OfCluster(failed.Err):
		return failed.Err
	case errors.Is(failed.Err, syscall.ECONNREFUSED), errors.Is(failed.Err, syscall.EHOSTUNREACH), errors.Is(failed.Err, fs.ErrPermission),
		errors.As(failed.Err, new(*net.DNSError)):
		bare := *failed
		bare.Err = fmt.Errorf("%w (%v)", syscall.ENETUNREACH, failed.Err)
		return &bare
	}
	return err
}
