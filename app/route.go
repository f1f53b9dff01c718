package main

import (
	"context"
	"net"

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
func (w *wiring) rules(cluster *kube.Cluster, c settings.Context) []proxy.Rule {
	return []proxy.Rule{{Name: clusterRule, Match: claimed(cluster), Dialer: cluster}, w.others(c)}
}

// others is the rule for what is not the cluster's.
func (w *wiring) others(c settings.Context) proxy.Rule {
	if outside := w.outside(c); outside != nil {
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
func (w *wiring) outside(c settings.Context) proxy.Dialer {
	if c.Outside == settings.Refuse {
		return nil
	}
	return &proxy.Direct{
		Own: w.own, Unresolved: c.ForwardUnresolved,
		Remedy: "forward-unresolved: true, in the settings, allows it",
	}
}

func claimed(cluster *kube.Cluster) func(context.Context, proxy.Target) (bool, error) {
	return func(ctx context.Context, t proxy.Target) (bool, error) { return cluster.Claims(ctx, t.Host) }
}
