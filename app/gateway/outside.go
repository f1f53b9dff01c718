package gateway

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync/atomic"

	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/proxy"
	"fairlead/proxy/direct"
	"fairlead/proxy/hostport"
)

// Outside is how the hosts outside a context's cluster are reached: by the first route that matches. The last route
// matches all hosts.
type Outside struct {
	routes []outsideRoute
	direct direct.Dialer
	// cluster connects to upstreams in the cluster; nil until it is open.
	cluster atomic.Pointer[kube.Cluster]
	beyond  atomic.Pointer[beyond] // the direct route of a context with a Konnectivity server; nil until it is open
}

// An outsideRoute is a rule for some hosts outside.
type outsideRoute struct {
	name    string // for logs
	matches func(host string, port uint16) bool
	dialer  proxy.Dialer
	through bool // a forward proxy looks its names up
}

// Outside returns how a context's hosts outside are reached. Upstreams in the cluster need Use before the first dial.
func (g *Gateways) Outside(c settings.Context) *Outside {
	o := &Outside{direct: g.direct(c)}
	for _, r := range c.Routes {
		o.routes = append(o.routes, g.outsideRoute(o, c, r))
	}
	last := g.outsideRoute(o, c, settings.Route{Via: c.Outside})
	last.matches = func(string, uint16) bool { return true }
	o.routes = append(o.routes, last)
	return o
}

// Use sets the cluster that upstreams in the cluster are reached through.
func (o *Outside) Use(cluster *kube.Cluster) { o.cluster.Store(cluster) }

// outsideRoute returns a route of the settings.
func (g *Gateways) outsideRoute(o *Outside, c settings.Context, r settings.Route) outsideRoute {
	made := outsideRoute{name: string(r.Via), matches: r.Matches}
	switch {
	case r.Problem != "":
		made.name, made.dialer = outsideRule, refusal{outsideRule, "this context's routes in the settings are broken: " + r.Problem, true}
	case r.Via == settings.Direct && c.Carrier == settings.KonnectivityCarrier:
		made.name, made.dialer = konnectivityRule, throughKonnectivity{o}
	case r.Via == settings.Direct:
		made.dialer = o.direct
	case r.Via == settings.Refuse && r.To == nil:
		made.name, made.dialer = outsideRule, refusal{outsideRule, "this context refuses hosts outside its cluster (outside: refuse, in the settings or the menu)", false}
	case r.Via == settings.Refuse:
		made.dialer = refusal{string(r.Via), "a route of this context refuses it (via: refuse, in the settings)", false}
	default:
		made.through = true
		dialer, err := g.through(o, c, string(r.Via))
		if err != nil {
			made.dialer = refusal{string(r.Via), err.Error(), true}
		} else {
			made.dialer = dialer
		}
	}
	return made
}

// refusal is the route to hosts that are refused. Its error says why.
type refusal struct {
	rule, reason string
	secret       bool
}

// DialContext returns a *proxy.RouteError.
func (r refusal) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	return nil, &proxy.RouteError{Target: address, Rule: r.rule, Reason: r.reason, Secret: r.secret}
}

// find returns the route to a host outside.
func (o *Outside) find(host string, port uint16) outsideRoute {
	for _, r := range o.routes[:len(o.routes)-1] {
		if r.matches(host, port) {
			return r
		}
	}
	return o.routes[len(o.routes)-1]
}

// DialContext connects to a host outside by its route. It is a kube.Policy's Outside, for endpoints that are no Pods.
func (o *Outside) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := hostport.Parse(address)
	if err != nil {
		return nil, err
	}
	route := o.find(to.Host, to.Port)
	if t, ok := route.dialer.(direct.Through); ok && t.Cluster != nil && ctx.Value(inCluster{}) != nil {
		return nil, &proxy.RouteError{Target: address, Rule: route.name, Secret: true, Reason: fmt.Sprintf("upstream %s leads out of the cluster, and from there to itself", route.name)}
	}
	return route.dialer.DialContext(ctx, network, address)
}

// Forward returns the forward proxy on the way to a host outside, or nil if there is none.
func (o *Outside) Forward(ctx context.Context, address string) (*url.URL, error) {
	to, err := hostport.Parse(address)
	if err != nil {
		return nil, err
	}
	forwarder, ok := o.find(to.Host, to.Port).dialer.(proxy.Forwarder)
	if !ok {
		return nil, nil
	}
	return forwarder.Forward(ctx, address)
}

// refusesAll reports whether no host outside can be reached.
func (o *Outside) refusesAll() bool {
	return !slices.ContainsFunc(o.routes, func(r outsideRoute) bool { _, refuses := r.dialer.(refusal); return !refuses })
}

// rules returns a rule for each route.
func (o *Outside) rules() []proxy.Rule {
	var rules []proxy.Rule
	for _, r := range o.routes {
		rule := proxy.Rule{Name: r.name, Match: func(ctx context.Context, t proxy.Target) (proxy.Dialer, error) {
			port, err := usualPort(ctx, t)
			if err != nil || !r.matches(t.Host, port) {
				return nil, err
			}
			if t.PortName != "" {
				return numbered{r.dialer, proxy.Target{Host: t.Host, Port: port}}, nil
			}
			return r.dialer, nil
		}}
		rules = append(rules, rule)
	}
	return rules
}

// usualPort returns the number of a target's port. Unlike a Service, a host outside has no port names of its own, so
// the system's names apply.
func usualPort(ctx context.Context, t proxy.Target) (uint16, error) {
	if t.PortName == "" {
		return t.Port, nil
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", t.PortName)
	return uint16(port), err
}

// numbered dials a target whose port was written by its name.
type numbered struct {
	proxy.Dialer
	target proxy.Target
}

// DialContext connects to the target.
func (n numbered) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return n.Dialer.DialContext(ctx, network, n.target.String())
}
