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

// A Policy is the part of a Cluster's configuration that may change while it runs. The zero Policy is the strictest.
type Policy struct {
	// Namespace is the namespace of names without one. If it is empty or not a valid name, the context's is used.
	Namespace string
	// HostNetwork allows Pods on their node's network. A port-forward to such a Pod reaches the node's own localhost and
	// everything that listens there. Otherwise such Pods are refused with *fault.HostNetwork.
	HostNetwork bool
	// Addresses are ranges that count as the cluster's without asking the API server.
	Addresses []netip.Prefix
	// Namespaces are those whose Services may have names that other networks have as well, such as web.dev. Namespace
	// counts as one of them.
	Namespaces []string
	// Domain is the cluster's own domain, besides cluster.local. Of the names that end in .svc or .pod and a public
	// domain, only those in this domain are in the cluster. Otherwise, the owner of another domain could make such a
	// name resolve to a server of theirs first, and to nothing later, so that the browser takes their page for one of a
	// Service.
	Domain string
	// Public reports whether a name of two labels exists in other networks. Such a name is outside, unless its
	// namespace is Namespace or one of Namespaces. If Public is nil, no name is public.
	Public func(ctx context.Context, host string) (bool, error)
	// Outside dials hosts outside that a name of the cluster leads to: the host of an ExternalName, or an endpoint without a
	// Pod. The address has the form "host:port". If Outside is nil, they are refused with *fault.Unsupported.
	Outside func(ctx context.Context, network, address string) (net.Conn, error)
}

// SetPolicy replaces the policy. It applies to dials that begin from now on; open connections stay open.
func (c *Cluster) SetPolicy(p Policy) {
	if p.Namespace != "" && !objects.IsLabel(p.Namespace) {
		c.log.Warn().Str("namespace", safetext.Clean(p.Namespace)).Msg("invalid namespace in the policy")
		p.Namespace = ""
	}
	p.Addresses = slices.Clone(p.Addresses)
	p.Namespaces = slices.Clone(p.Namespaces)
	for i, prefix := range p.Addresses {
		p.Addresses[i] = unmapped(prefix)
	}
	old := c.policy.Swap(&p)
	if old.Namespace != p.Namespace {
		c.resolver.owners.clear() // an address without an owner may have one in the new namespace
	}
}

// parse returns what a host stands for in the cluster. A name in a public domain is outside, unless the domain is the
// policy's.
func (r *resolver) parse(host string) name {
	n := parseName(host, r.namespaces.current())
	if n.zone != "" && n.zone != objects.LowerASCII(strings.TrimSuffix(r.policy().Domain, ".")) {
		return name{}
	}
	return n.unzoned()
}

// unmapped returns a prefix of IPv4-mapped addresses as one of IPv4 addresses.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Namespace returns the namespace of names without one.
func (c *Cluster) Namespace() string { return c.resolver.namespaces.current() }

// covers reports whether an address is one of Addresses.
func (p *Policy) covers(addr netip.Addr) bool {
	return slices.ContainsFunc(p.Addresses, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}
