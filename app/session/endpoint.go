package session

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// An Endpoint is one address that a context listens on or will listen on, and what it serves there.
type Endpoint struct {
	Address  string // host:port
	Kind     EndpointKind
	Target   string // of a forward: host:port, where the port may be a name
	Protocol string // "tcp" or "http" for a forward; "dns" for a nameserver; "http" or "socks" for a proxy that speaks only that, else ""
	Chosen   bool   // a forward that is not in the user's file
	Problem  string // why it does not listen there while the context is on, in one sentence; empty if it does
}

// An EndpointKind is what an endpoint serves.
type EndpointKind string

// The kinds of endpoints.
const (
	ProxyEndpoint   EndpointKind = "proxy"   // the context's proxy
	ForwardEndpoint EndpointKind = "forward" // one target, without a proxy's handshake
	DNSEndpoint     EndpointKind = "dns"     // answers to questions about the cluster's names
)

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

// ProxyURL returns the URL of the context's proxy for programs of this machine, without a password, or "" while it has no
// address.
func (e Endpoints) ProxyURL(scheme string) string {
	address := e.ProxyAddress()
	if address == "" {
		return ""
	}
	return scheme + "://" + DialAddress(address)
}

// URL returns the URL of a context's proxy for programs of this machine, without a password: for SOCKS5 with names resolved
// by the proxy, or for HTTPS if it accepts only TLS. It is empty while there is no address.
func (s State) URL() string {
	if s.TLS {
		return s.Endpoints.ProxyURL("https")
	}
	return s.Endpoints.ProxyURL("socks5h")
}

// Addresses returns the addresses of all endpoints.
func (e Endpoints) Addresses() []string {
	addresses := make([]string, len(e))
	for i, one := range e {
		addresses[i] = one.Address
	}
	return addresses
}

// Forwards returns the fixed local ports.
func (e Endpoints) Forwards() Endpoints {
	return slices.DeleteFunc(slices.Clone(e), func(one Endpoint) bool { return one.Kind != ForwardEndpoint })
}

// reason returns why a context does not listen at some of its endpoints, or none.
func (e Endpoints) reason() Reason {
	var problems []string
	for _, one := range e {
		switch {
		case one.Problem == "":
		case one.Kind == DNSEndpoint:
			problems = append(problems, fmt.Sprintf("Names are not answered at %s: %s", one.Address, one.Problem))
		default:
			problems = append(problems, fmt.Sprintf("%s is not forwarded to %s: %s", one.Address, one.Target, one.Problem))
		}
	}
	const most = 3
	switch {
	case len(problems) == 0:
		return Reason{}
	case len(problems) > most:
		problems = append(problems[:most], fmt.Sprintf("And %d more.", len(problems)-most))
	}
	return Reason{
		Title: "Local port not opened", Text: strings.Join(problems, " "), Trouble: PortTaken,
		Hint: "The rest works, and the port is opened as soon as it can be.",
	}
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
