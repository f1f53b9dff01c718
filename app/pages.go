package main

import (
	"context"
	"net/http"
	"time"

	"fairlead/proxy/pac"
)

// knownWait bounds what a browser waits for its proxy settings.
const knownWait = 2 * time.Second

// pages are what a context's proxy shows of itself: how to use it, and the file that tells a browser.
func pages(name string, w *way) http.Handler {
	c := w.plan.settings
	hint := ""
	if c.Password {
		hint = "This proxy wants a password. It is in the URLs that Fairlead's menu and `fairlead env` copy."
	}
	return pac.NewPages(pac.PagesConfig{
		Context: name,
		Hint:    hint,
		Script: func(ctx context.Context) pac.Config {
			ctx, cancel := context.WithTimeout(ctx, knownWait)
			defer cancel()
			config := pac.Config{
				Password: c.Password, TLS: c.RequireTLS,
				Namespaces: []string{w.cluster.Namespace()},
				Known:      w.cluster.Ranges(ctx),
			}
			// Without them a name like web.dev goes its usual way, for dev is a top-level domain, too. Browsers ask whenever they
			// start or the network changes, which is nothing to run a credential plugin for.
			if !w.cluster.LoggedIn() {
				return config
			}
			if namespaces, err := w.cluster.Namespaces(ctx); err == nil {
				config.Namespaces = namespaces
			}
			return config
		},
	})
}
