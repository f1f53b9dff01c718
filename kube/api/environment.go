package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"k8s.io/client-go/rest"

	"fairlead/proxy/upstream"
)

// ownLookup bounds the DNS lookup of a proxy's name, which shows whether the proxy is one of this program's.
const ownLookup = 2 * time.Second

// throughEnvironment makes a configuration without a proxy use the environment's (HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as
// kubectl reads them), unless that is one of this program's: the route to a cluster cannot lead through itself. The proxy
// of a kubeconfig or a Config stays, since one cluster may be reached through another.
func throughEnvironment(config *rest.Config, own func(netip.AddrPort) bool) {
	if config.Proxy != nil {
		return
	}
	config.Proxy = environmentProxy(own)
}

// environmentProxy returns a function that chooses the environment's proxy for a request, or none if that proxy is one of
// this program's.
func environmentProxy(own func(netip.AddrPort) bool) func(*http.Request) (*url.URL, error) {
	environment := upstream.FromEnvironment()
	return func(r *http.Request) (*url.URL, error) {
		via, err := environment(r.URL)
		if err != nil || via == nil || own == nil {
			return via, err
		}
		for _, address := range addresses(r.Context(), via) {
			if own(address) {
				return nil, nil
			}
		}
		return via, nil
	}
}

// addresses returns the addresses that a proxy's URL stands for; none if its name cannot be resolved.
func addresses(ctx context.Context, via *url.URL) (list []netip.AddrPort) {
	host := via.Hostname()
	port, err := strconv.ParseUint(upstream.Port(via), 10, 16)
	if err != nil {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), uint16(port))}
	}
	ctx, cancel := context.WithTimeout(ctx, ownLookup)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil // the dial will fail to resolve it too, and report that
	}
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return list
}
