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

// ownLookup bounds the question whether a proxy that is given by name is our own.
const ownLookup = 2 * time.Second

// throughEnvironment makes a configuration without a proxy of its own take the environment's (HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY, as kubectl reads them), unless that is one of ours: the way to a cluster cannot lead through itself. What a
// kubeconfig or a Config names is left as it is, since one cluster may well be reached through another.
func throughEnvironment(config *rest.Config, own func(netip.AddrPort) bool) {
	if config.Proxy != nil {
		return
	}
	config.Proxy = environmentProxy(own)
}

// environmentProxy returns the choice of the environment's proxy, unless that is one of ours.
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

// addresses are those that a proxy's URL can mean; none when its name is not known.
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
		return nil // then the dial cannot reach it either
	}
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return list
}
