package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/settings"
	"fairlead/proxy/pac"
)

// pacTimeout bounds how long a browser waits for its proxy settings.
const pacTimeout = 2 * time.Second

// pages returns what a context's proxy serves itself: a page that explains how to use it, and the PAC file for
// browsers.
func (g *Gateways) pages(name string, l *link, log zerolog.Logger) http.Handler {
	c := l.plan.settings
	hint := ""
	if c.Password {
		hint = "This proxy wants a password. It is in the URLs that Fairlead's menu and `fairlead env` copy."
	}
	return pac.NewPages(pac.PagesConfig{
		Context: name,
		Hint:    hint,
		Script: func(ctx context.Context) pac.Config {
			config := pac.Config{Password: c.Password, TLS: c.RequireTLS}
			config.Routes, config.Others = pacRoutes(c)
			config.Known, config.Namespaces = g.seen(ctx, name, l, log)
			return config
		},
	})
}

// pacRoutes returns which hosts outside a browser has to send to the proxy, because they have a route of their own. Where
// the proxy refuses hosts outside, a browser connects to them by itself: it was not asked to keep them out.
func pacRoutes(c settings.Context) (routes []pac.Route, others bool) {
	inCluster := c.Carrier == settings.KonnectivityCarrier // then the direct route is the cluster's, which a browser has not
	for _, r := range c.Routes {
		if r.Problem != "" {
			return append(routes, pac.Route{Name: "*"}), true
		}
		for _, to := range r.To {
			routes = append(routes, pac.Route{Name: to.Name, Prefix: to.Prefix, Port: to.Port, Direct: r.Via == settings.Direct && !inCluster})
		}
	}
	return routes, c.Outside != settings.Refuse && (c.Outside != settings.Direct || inCluster)
}

// seen returns the ranges and namespaces of a context's cluster or, while the cluster cannot be queried, the ones last
// seen. Without the namespaces a name like web.dev goes outside, because dev is a top-level domain, too. Browsers fetch
// this at every start and change of network, so it must not run a credential plugin; and they hardly ever fetch it
// again.
func (g *Gateways) seen(ctx context.Context, name string, l *link, log zerolog.Logger) (ranges []netip.Prefix, namespaces []string) {
	ctx, cancel := context.WithTimeout(ctx, pacTimeout)
	defer cancel()
	ranges = l.cluster.Ranges(ctx)
	before := g.config.Settings.Seen(name)
	known, err := l.namespaces(ctx)
	if err != nil {
		return append(ranges, before.Ranges...), append(before.Namespaces, l.cluster.Namespace())
	}
	now := settings.Seen{Namespaces: pac.Ambiguous(known)}
	for _, p := range ranges {
		if !p.IsSingleIP() && !slices.Contains(l.plan.policy.Addresses, p) { // the settings have those already
			now.Ranges = append(now.Ranges, p)
		}
	}
	if len(now.Ranges) == 0 { // the cluster did not return them
		now.Ranges = before.Ranges
		ranges = append(ranges, before.Ranges...)
	}
	if err := g.config.Settings.SetSeen(name, now); err != nil {
		log.Warn().Err(err).Msg("cluster ranges not saved")
	}
	return ranges, known
}

var errLoggedOut = errors.New("not logged in")

// namespaces returns the cluster's namespaces, unless that would run a credential plugin.
func (l *link) namespaces(ctx context.Context) ([]string, error) {
	if !l.cluster.LoggedIn() {
		return nil, errLoggedOut
	}
	return l.cluster.Namespaces(ctx)
}
