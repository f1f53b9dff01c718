package main

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"fairlead/kube"
	"fairlead/proxy/pac"
)

// rangesWait bounds what a browser waits for its proxy settings. What is not known by then is looked up when it is used.
const rangesWait = 2 * time.Second

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
			return pac.Config{
				Password: c.Password, TLS: c.RequireTLS,
				Namespaces: []string{w.cluster.Namespace()},
				Known:      ranges(ctx, w.cluster),
			}
		},
	})
}

func ranges(ctx context.Context, cluster *kube.Cluster) []netip.Prefix {
	ctx, cancel := context.WithTimeout(ctx, rangesWait)
	defer cancel()
	return cluster.Ranges(ctx)
}
