package kube

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/net/http/httpproxy"
	"k8s.io/client-go/rest"
)

// ownLookup bounds the question whether a proxy that is given by name is our own.
const ownLookup = 2 * time.Second

// throughEnvironment makes a configuration without a proxy of its own take the environment's (HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY, as kubectl reads them), unless that is one of ours: the way to a cluster cannot lead through itself. A
// kubeconfig's proxy-url is left as it is, since one cluster may well be reached through another.
func throughEnvironment(config *rest.Config, own func(netip.AddrPort) bool) {
	if config.Proxy != nil {
		return
	}
	environment := httpproxy.FromEnvironment().ProxyFunc()
	config.Proxy = func(r *http.Request) (*url.URL, error) {
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
	port, err := strconv.ParseUint(via.Port(), 10, 16)
	if err != nil {
		port = map[string]uint64{"http": 80, "https": 443}[via.Scheme]
		if port == 0 {
			port = 1080
		}
	}
	host := via.Hostname()
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
