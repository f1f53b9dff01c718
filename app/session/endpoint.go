package session

import (
	"net/netip"
	"slices"
)

// An Endpoint is one address that a context listens on or will listen on, and what it serves there.
type Endpoint struct {
	Address string // host:port
	Kind    EndpointKind
}

// An EndpointKind is what an endpoint serves.
type EndpointKind string

// ProxyEndpoint is the kind of an endpoint that serves the context's proxy.
const ProxyEndpoint EndpointKind = "proxy"

// Endpoints are the endpoints of one context. They are shared and must not be modified.
type Endpoints []Endpoint

// ProxyAt returns the endpoints of a context that serves only its proxy, at an address.
func ProxyAt(address string) Endpoints { return Endpoints{{Address: address, Kind: ProxyEndpoint}} }

// ProxyAddress returns the address of the context's proxy, or "" if that is not yet known.
func (e Endpoints) ProxyAddress() string {
	at := slices.IndexFunc(e, func(one Endpoint) bool { return one.Kind == ProxyEndpoint })
	if at < 0 {
		return ""
	}
	return e[at].Address
}

// Addresses returns the addresses of all endpoints.
func (e Endpoints) Addresses() []string {
	addresses := make([]string, len(e))
	for i, one := range e {
		addresses[i] = one.Address
	}
	return addresses
}

// DialAddress returns the address at which programs of this machine dial a listener: for one on all addresses, the
// loopback one. It returns anything else unchanged.
func DialAddress(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsUnspecified() {
		return address
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}
