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

// pacTimeout bounds what a browser waits for its proxy settings.
const pacTimeout = 2 * time.Second

// pages are what a context's proxy shows of itself: how to use it, and the file that tells a browser.
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
			config.Known, config.Namespaces = g.seen(ctx, name, l, log)
			return config
		},
	})
}

// seen gives the ranges and namespaces of a context's cluster: those it has or, while it cannot be asked, those it was last seen to have.
// Without the namespaces a name like web.dev goes its usual way, for dev is a top-level domain, too. Browsers ask whenever they start or
// the network changes, which is nothing to run a credential plugin for; and they hardly ever ask again.
func (g *Gateways) seen(ctx context.Context, name string, l *link, log zerolog.Logger) (ranges []netip.Prefix, namespaces []string) {
	ctx, cancel := context.WithTimeout(ctx, pacTimeout)
	defer cancel()
	ranges = l.cluster.Ranges(ctx)
	before := g.config.Settings.Seen(name)
	known, err := l.namespaces(ctx)
	if err != nil {
		return append(ranges, before.Ranges...), append(before.Namespaces, l.cluster.Namespace())
	}
	now := settings.Seen{Namespaces: pac.Doubtful(known)}
	for _, p := range ranges {
		if !p.IsSingleIP() && !slices.Contains(l.plan.policy.Addresses, p) { // those of the settings are there anyway
			now.Ranges = append(now.Ranges, p)
		}
	}
	if len(now.Ranges) == 0 { // they could not be asked for
		now.Ranges = before.Ranges
		ranges = append(ranges, before.Ranges...)
	}
	if err := g.config.Settings.SetSeen(name, now); err != nil {
		log.Warn().Err(err).Msg("the cluster's ranges are not remembered")
	}
	return ranges, known
}

var errLoggedOut = errors.New("there is no login")

// namespaces are the cluster's, where asking for them runs no credential plugin.
func (l *link) namespaces(ctx context.Context) ([]string, error) {
	if !l.cluster.LoggedIn() {
		return nil, errLoggedOut
	}
	return l.cluster.Namespaces(ctx)
}
