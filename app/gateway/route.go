package gateway

import (
	"context"
	"crypto/tls"
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
	outsideRule = "outside"
)

// rules returns the rules for a context's clients: targets that the cluster owns go there, and all others where the
// settings say.
func rules(cluster *kube.Cluster, outside *Outside, c settings.Context) []proxy.Rule {
	own := proxy.Rule{
		Name: clusterRule, Match: matchOwned(cluster), SameOrigin: c.CrossSite == settings.RefuseCrossSite,
		// The API server authenticates the Pod. The certificate of a Pod is rarely for the name that a client uses.
		TLS: &tls.Config{InsecureSkipVerify: true},
	}
	return append([]proxy.Rule{own}, outside.rules()...)
}

func (g *Gateways) direct(c settings.Context) direct.Dialer {
	return direct.Dialer{Own: g.isOwn, Policy: direct.Policy{
		Unresolved: c.ForwardUnresolved,
		Remedy:     "forward-unresolved: true, in the settings, allows it",
	}}
}

// matchOwned returns a Match for the targets that a cluster owns. Its Dialer is the result of the cluster's lookup.
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

// isPublic reports whether a name may lead outside by the route that it would have there.
func (o *Outside) isPublic(ctx context.Context, host string) (bool, error) {
	route := o.find(host, 443)
	if through, ok := route.dialer.(throughKonnectivity); ok {
		return through.isPublic(ctx, host)
	}
	if route.through {
		return true, nil
	}
	return isPublic(ctx, o.direct, host)
}

// isPublic reports whether a name may lead outside by the direct route: it resolves on this machine, or it would be
// sent to a forward proxy, which may be able to resolve it.
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
