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

// A Through is the Dialer for hosts outside that a chain of forward proxies leads to. Names go to the last proxy as
// names. A refusal is a *proxy.RouteError, and the fault of a forward proxy an *upstream.Error, which does not read as
// the target's unless the proxy reports it of the target.
type Through struct {
	// Chain has the proxies in the order in which they are connected to. There is at least one.
	Chain []upstream.Proxy
	// Cluster connects to the first proxy from within a cluster. nil connects from this machine. Targets of a proxy in a
	// cluster are judged as they are written, and not as this machine would resolve them.
	Cluster func(ctx context.Context, network, address string) (net.Conn, error)
	// OfCluster reports whether an error of Cluster is a fault of the way into the cluster, which is then returned as it is,
	// and not one of the proxy. nil reports none.
	OfCluster func(error) bool
	// Policy says which targets a proxy on this machine's side may be asked for.
	Policy Policy
	// Own reports whether a proxy of this program listens at an address. Such a one is never connected to.
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

// Forward returns the last proxy of the chain. It refuses what may not be asked of it.
func (t Through) Forward(ctx context.Context, address string) (*url.URL, error) {
	return t.last().URL, t.check(ctx, address)
}

// DialForward connects to the last proxy of the chain.
func (t Through) DialForward(ctx context.Context, _ *url.URL) (net.Conn, error) {
	conn, err := t.dialer().DialProxy(ctx, t.last(), t.Chain[:len(t.Chain)-1]...)
	if err != nil {
		return nil, t.fault(err)
	}
	// What is returned is said to be connected, so that a proxy that refuses is not taken for the target.
	if pending, ok := conn.(proxy.Unconfirmed); ok {
		if err := pending.Opened(ctx); err != nil {
			_ = conn.Close()
			return nil, t.fault(&upstream.Error{Proxy: upstream.Address(t.last().URL), Name: t.last().Name, Err: err})
		}
	}
	return conn, nil
}

// Name returns what the user calls the last proxy of the chain.
func (t Through) Name() string { return t.last().Name }

func (t Through) last() upstream.Proxy { return t.Chain[len(t.Chain)-1] }

func (t Through) check(ctx context.Context, address string) error {
	if t.Cluster != nil {
		return t.Policy.checkElsewhere(address)
	}
	// A chain that begins on this machine may lead back to it only if each of its proxies is here.
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

// fault returns the error of a chain. In a cluster, the first proxy may be refused or unknown: what is said of it must not
// read as if it were said of the target.
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
