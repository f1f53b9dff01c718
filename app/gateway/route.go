package gateway

import (
	"context"
	"errors"
	"net"
	"time"

	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/proxy"
	"fairlead/proxy/direct"
)

// Names of the routes, as they appear in logs.
const (
	clusterRule = "cluster"
	directRule  = "direct"
	outsideRule = "outside"
)

// rules returns the routes of a context's clients: to the cluster what it owns, and everything else as the settings
// say.
func (g *Gateways) rules(cluster *kube.Cluster, c settings.Context) []proxy.Rule {
	return []proxy.Rule{
		{Name: clusterRule, Match: matchOwned(cluster), SameOrigin: c.CrossSite == settings.RefuseCrossSite},
		g.OutsideRule(c),
	}
}

// OutsideRule returns the rule for hosts that the cluster does not own.
func (g *Gateways) OutsideRule(c settings.Context) proxy.Rule {
	if outside := g.outside(c); outside != nil {
		return proxy.Rule{Name: directRule, Dialer: outside}
	}
	return proxy.Rule{Name: outsideRule, Dialer: refuseOutside{}}
}

// refuseOutside is the route to hosts outside when they are refused. Its error says why, and how to change that.
type refuseOutside struct{}

// DialContext returns a *proxy.RouteError.
func (refuseOutside) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	return nil, &proxy.RouteError{
		Target: address, Rule: outsideRule,
		Reason: "this context refuses hosts outside its cluster (outside: refuse, in the settings or the menu)",
	}
}

// outside returns the dialer for hosts outside the cluster, or nil if they are refused.
func (g *Gateways) outside(c settings.Context) proxy.Dialer {
	if c.Outside == settings.Refuse {
		return nil
	}
	return g.direct(c)
}

func (g *Gateways) direct(c settings.Context) direct.Dialer {
	return direct.Dialer{Own: g.isOwn, Policy: direct.Policy{
		Unresolved: c.ForwardUnresolved,
		Remedy:     "forward-unresolved: true, in the settings, allows it",
	}}
}

// matchOwned returns a match for the targets that a cluster owns. What carries a target is what the cluster's lookup found.
func matchOwned(cluster *kube.Cluster) func(context.Context, proxy.Target) (proxy.Dialer, error) {
	return func(ctx context.Context, t proxy.Target) (proxy.Dialer, error) {
		host, err := cluster.Lookup(ctx, t.Host)
		if err != nil || !host.InCluster {
			return nil, err
		}
		return host, nil
	}
}

// lookupTimeout bounds the lookup of a name that may belong to another network.
const lookupTimeout = 5 * time.Second

// isPublic reports whether a name may lead outside: it resolves on this machine, or it would be sent to a forward
// proxy, whose names are not known here.
func isPublic(ctx context.Context, outside direct.Dialer, host string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if via, _ := outside.Forward(ctx, net.JoinHostPort(host, "443")); via != nil {
		return true, nil // the proxy may still refuse the name
	}
	// The trailing dot keeps search lists out.
	_, err := outside.Policy.Resolver.LookupNetIP(ctx, "ip", host+".")
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false, nil
	}
	return err == nil, err
}
