// Package direct is the Dialer for hosts outside: it connects from this machine, or through the forward proxy that this
// machine is configured to use. policy.go has the targets that clients must not reach through this machine; direct.go
// dials.
package direct

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead/proxy"
	"fairlead/proxy/upstream"
)

// A Dialer connects from this machine, with its resolver, or through a forward proxy, as far as its Policy allows. A
// refusal is a *proxy.RouteError, and a fault of a forward proxy an *upstream.Error. The zero value is ready to use.
type Dialer struct {
	Policy Policy
	// Upstream returns the forward proxy for a URL (http for port 80, https otherwise), or nil; its scheme is http,
	// https, socks5 or socks5h. nil means upstream.EnvironmentProxy.
	Upstream func(*url.URL) (*url.URL, error)
	// UpstreamTLS is the TLS configuration for https forward proxies; nil trusts the system's authorities.
	UpstreamTLS *tls.Config
	// Own reports whether a proxy of this program listens at an address. Such an address is not used as a forward
	// proxy: the target is dialled from this machine instead. If nil, there is none.
	Own func(netip.AddrPort) bool
}

var _ proxy.Forwarder = Dialer{}

const (
	keepAlive = 30 * time.Second // between two probes of a silent connection
	userAgent = "fairlead"
)

// errOwn is the error for a forward proxy that is one of this program's own.
var errOwn = errors.New("that proxy is this program's own")

// DialContext connects to address, which may be a name.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	via, err := d.Forward(ctx, address)
	if err != nil {
		return nil, err
	}
	if via != nil {
		conn, err := d.upstream().Dial(ctx, address, d.proxy(via))
		if !errors.Is(err, errOwn) {
			return conn, err
		}
	}
	dialer := net.Dialer{
		KeepAlive: keepAlive,
		Resolver:  d.Policy.Resolver,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			return d.Policy.check(address, resolved)
		},
	}
	return dialer.DialContext(ctx, network, address)
}

// Forward returns the forward proxy on the way to address, nil for none. It refuses targets that no proxy may be asked
// for.
func (d Dialer) Forward(ctx context.Context, address string) (*url.URL, error) {
	find := d.Upstream
	if find == nil {
		find = upstream.EnvironmentProxy
	}
	to := &url.URL{Scheme: "https", Host: address}
	if strings.HasSuffix(address, ":80") {
		to.Scheme = "http"
	}
	via, err := find(to)
	if err != nil || via == nil || d.leadsHere(via) {
		return nil, err
	}
	return via, d.Policy.CheckThrough(ctx, via, address)
}

// leadsHere reports whether a forward proxy is one of this program's own, by its URL alone.
func (d Dialer) leadsHere(via *url.URL) bool {
	hosts := []string{via.Hostname()}
	if strings.EqualFold(hosts[0], "localhost") {
		hosts = []string{"127.0.0.1", "::1"}
	}
	for _, host := range hosts {
		to, err := netip.ParseAddrPort(net.JoinHostPort(host, upstream.Port(via)))
		if err == nil && d.isOwn(to) {
			return true
		}
	}
	return false
}

func (d Dialer) isOwn(to netip.AddrPort) bool { return d.Own != nil && d.Own(to) }

// DialForward connects to a forward proxy itself, with TLS if its scheme is https.
func (d Dialer) DialForward(ctx context.Context, via *url.URL) (net.Conn, error) {
	return d.upstream().DialProxy(ctx, d.proxy(via))
}

func (d Dialer) proxy(via *url.URL) upstream.Proxy {
	return upstream.Proxy{URL: via, TLS: d.UpstreamTLS}
}

func (d Dialer) upstream() upstream.Dialer {
	return upstream.Dialer{DialContext: d.dialUpstream, UserAgent: userAgent}
}

// dialUpstream connects to the address of a forward proxy, unless it is one of this program's own: then it returns errOwn.
func (d Dialer) dialUpstream(ctx context.Context, network, address string) (net.Conn, error) {
	var own atomic.Bool // of several addresses, any
	dialer := net.Dialer{
		KeepAlive: keepAlive,
		Resolver:  d.Policy.Resolver,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(resolved); err == nil && d.isOwn(to) {
				own.Store(true)
				return errOwn
			}
			return nil
		},
	}
	conn, err := dialer.DialContext(ctx, network, address)
	switch {
	case own.Load():
		if err == nil {
			_ = conn.Close()
		}
		return nil, errOwn
	case err != nil:
		// The target was not asked, so this is no refusal by the target.
		return nil, fmt.Errorf("%w (%s)", syscall.ENETUNREACH, plainReason(err))
	}
	return conn, nil
}

// plainReason is the text of a dial's error without the addresses and the words that errors.Is would find.
func plainReason(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	return err.Error()
}
