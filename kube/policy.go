package kube

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"fairlead/kube/objects"
	"fairlead/proxy/safetext"
)

// A Policy is what may change while a Cluster runs. The zero Policy is the strictest.
type Policy struct {
	// Namespace is where names that carry none are looked for; the context's when it is empty, or no name of a namespace.
	Namespace string
	// HostNetwork allows Pods on their node's network. A port-forward to such a Pod reaches the node's own localhost, and
	// whatever listens there; without it they are refused with *fault.HostNetwork.
	HostNetwork bool
	// Addresses are taken for the cluster's without asking.
	Addresses []netip.Prefix
	// Namespaces are those whose Services may have names that other networks have as well: web.dev. Namespace is one anyway.
	Namespaces []string
	// Domain is the cluster's own, besides cluster.local. Of the names that end in .svc or .pod and a domain of the
	// Internet, only those in this one are the cluster's: who has another could have them lead to a page of its own first,
	// and to nothing when that page is to become a Service's.
	Domain string
	// Public reports whether other networks have a name of two labels, by which it is not the cluster's, unless its namespace
	// is among those. Nil: none is.
	Public func(ctx context.Context, host string) (bool, error)
	// Outside carries what a name of the cluster leads to that is no Pod: the host of an ExternalName, an endpoint without
	// a Pod. The address has the form "host:port". Nil refuses it with *fault.Unsupported.
	Outside func(ctx context.Context, network, address string) (net.Conn, error)
}

// SetPolicy replaces the policy. Dials that begin now follow it; open connections stay.
func (c *Cluster) SetPolicy(p Policy) {
	if p.Namespace != "" && !objects.IsLabel(p.Namespace) {
		c.log.Warn().Str("namespace", safetext.Clean(p.Namespace)).Msg("the policy's namespace is none")
		p.Namespace = ""
	}
	p.Addresses = slices.Clone(p.Addresses)
	p.Namespaces = slices.Clone(p.Namespaces)
	for i, prefix := range p.Addresses {
		p.Addresses[i] = unmapped(prefix)
	}
	old := c.policy.Swap(&p)
	if old.Namespace != p.Namespace {
		c.resolver.owners.clear() // where an address was looked for in vain, it may not have been looked for everywhere
	}
}

// parse reads a host as it stands for something in the cluster. A name in a domain of the Internet is outside, unless the
// domain is the cluster's.
func (r *resolver) parse(host string) name {
	n := parseName(host, r.namespaces.current())
	if n.zone != "" && n.zone != objects.LowerASCII(strings.TrimSuffix(r.policy().Domain, ".")) {
		return name{}
	}
	return n.unzoned()
}

// unmapped returns a prefix of IPv4-mapped addresses as one of IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Namespace returns where names that carry none are looked for.
func (c *Cluster) Namespace() string { return c.resolver.namespaces.current() }

// covers reports whether an address is the cluster's by the settings.
func (p *Policy) covers(addr netip.Addr) bool {
	return slices.ContainsFunc(p.Addresses, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}
