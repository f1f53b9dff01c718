package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"

	"fairlead/proxy/upstream"
)

// errOwn is a forward proxy that is one of this program's own.
var errOwn = errors.New("that proxy is this program's own")

// Forward returns the forward proxy on the way to address, nil for none. It refuses what may not be asked of one.
func (d Direct) Forward(ctx context.Context, address string) (*url.URL, error) {
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
	return via, d.checkForward(ctx, via, address)
}

// leadsHere tells whether a forward proxy is seen to be one of this program's own by its URL alone.
func (d Direct) leadsHere(via *url.URL) bool {
	hosts := []string{via.Hostname()}
	if strings.EqualFold(hosts[0], "localhost") {
		hosts = []string{"127.0.0.1", "::1"}
	}
	for _, host := range hosts {
		to, err := netip.ParseAddrPort(net.JoinHostPort(host, upstream.Port(via)))
		if err == nil && d.Own != nil && d.Own(to) {
			return true
		}
	}
	return false
}

// through connects to address by a forward proxy.
func (d Direct) through(ctx context.Context, via *url.URL, address string) (net.Conn, error) {
	return d.upstream().Dial(ctx, address, upstream.Proxy{URL: via, TLS: d.UpstreamTLS})
}

// DialForward connects to a forward proxy itself, inside TLS where its scheme is https.
func (d Direct) DialForward(ctx context.Context, via *url.URL) (net.Conn, error) {
	return d.upstream().DialProxy(ctx, upstream.Proxy{URL: via, TLS: d.UpstreamTLS})
}

func (d Direct) upstream() upstream.Dialer {
	return upstream.Dialer{DialContext: d.dialUpstream, UserAgent: pseudonym}
}

// dialUpstream connects to the address of a forward proxy, unless it is one of this program's own: then it returns errOwn.
func (d Direct) dialUpstream(ctx context.Context, network, address string) (net.Conn, error) {
	var own atomic.Bool // of several addresses, any
	dialer := net.Dialer{
		KeepAlive: keepAlive,
		Resolver:  d.Resolver,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(resolved); err == nil && d.Own != nil && d.Own(to) {
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
		// The target was not asked: its way is down, and nobody there refused.
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
