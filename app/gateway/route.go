package gateway

import (
	"context"
	"errors"
	"net"
	"time"

	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/proxy"
)

// The names of the routes, in logs.
const (
	clusterRule = "cluster"
	directRule  = "direct"
	outsideRule = "outside"
)

// rules say where a context's clients are sent: what is the cluster's into the cluster, all else as the settings have it.
func (g *Gateways) rules(cluster *kube.Cluster, c settings.Context) []proxy.Rule {
	return []proxy.Rule{
		{Name: clusterRule, Match: matchOwned(cluster), Dialer: cluster, SameOrigin: c.CrossSite == settings.RefuseCrossSite},
		g.OutsideRule(c),
	}
}

// Others returns the rule for what is not the cluster's.
func (g *Gateways) OutsideRule(c settings.Context) proxy.Rule {
	if outside := g.outside(c); outside != nil {
		return proxy.Rule{Name: directRule, Dialer: outside}
	}
	return proxy.Rule{Name: outsideRule, Dialer: refuseOutside{}}
}

// refuseOutside is the route to hosts outside where they are refused: it says why, and where that is changed.
type refuseOutside struct{}

// DialContext gives a *proxy.RouteError.
func (refuseOutside) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	return nil, &proxy.RouteError{
		Target: address, Rule: outsideRule,
		Reason: "this context refuses hosts outside its cluster (outside: refuse, in the settings or the menu)",
	}
}

// outside carries connections to hosts outside the cluster; nil where they are refused.
func (g *Gateways) outside(c settings.Context) proxy.Dialer {
	if c.Outside == settings.Refuse {
		return nil
	}
	return g.direct(c)
}

func (g *Gateways) direct(c settings.Context) *proxy.Direct {
	return &proxy.Direct{
		Own: g.own, Unresolved: c.ForwardUnresolved,
		Remedy: "forward-unresolved: true, in the settings, allows it",
	}
}

func matchOwned(cluster *kube.Cluster) func(context.Context, proxy.Target) (bool, error) {
	return func(ctx context.Context, t proxy.Target) (bool, error) { return cluster.Claims(ctx, t.Host) }
}

// lookupTimeout bounds the look-up of a name that may be another network's.
const lookupTimeout = 5 * time.Second

// isPublic reports whether a name leads somewhere outside: it resolves on this machine, or a forward proxy would be asked for it,
// whose names are not known here.
func isPublic(ctx context.Context, direct *proxy.Direct, host string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if via, _ := direct.Forward(ctx, net.JoinHostPort(host, "443")); via != nil {
		return true, nil // though it may refuse the name
	}
	// With the dot no search list completes it.
	_, err := direct.Resolver.LookupNetIP(ctx, "ip", host+".")
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false, nil
	}
	return err == nil, err
}
