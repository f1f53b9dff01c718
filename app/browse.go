package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fairlead/app/desktop"
	"fairlead/app/menu"
	"fairlead/app/session"
	"fairlead/app/settings"
)

var errNoBrowser = errors.New("none of the browsers that Fairlead can drive was found: Chromium, Chrome, Edge, Brave, Firefox")

// tlsAlone is why nothing leads a program to a proxy when it cannot be told of a certificate.
func tlsAlone(name string) error {
	return fmt.Errorf("this proxy takes only clients with TLS and a certificate: `fairlead env %s --for curl` shows how", name)
}

// browse opens a browser window that is inside a context's cluster: on a page of a Service, or on the proxy's own page, which says where
// one is.
func (c *clerk) browse(ctx context.Context, click menu.Click) error {
	browsers := desktop.FindBrowsers(c.settings.Config().Browser)
	at := slices.IndexFunc(browsers, func(b desktop.Browser) bool { return b.ID == click.Argument })
	page := ""
	if click.Action == menu.OpenService {
		at, page = 0, click.Argument
	}
	if at < 0 || at >= len(browsers) {
		return errNoBrowser
	}
	return c.openIn(ctx, c.windows, browsers[at], click.Context, page)
}

// openIn opens a window of a browser, on the proxy's own page when none is named.
func (p *program) openIn(ctx context.Context, windows *desktop.Browsers, browser desktop.Browser, name, page string) error {
	proxy, err := p.proxyOf(name)
	if err != nil {
		return err
	}
	if proxy.TLS {
		return tlsAlone(name)
	}
	address := proxy.Address.String()
	if page == "" {
		page = "http://" + address + "/"
	}
	window := desktop.Window{Proxy: address, URL: page}
	// Where outside hosts are refused, the window must not reach them past the proxy.
	if p.settings.Effective(name).Outside == settings.Direct {
		window.PAC = "http://" + address + "/proxy.pac"
		p.logIn(ctx, name)
	}
	return windows.Open(ctx, browser, window)
}

// logInWait bounds how long a browser window waits for a login.
const logInWait = 5 * time.Second

// logIn sees to a login before a browser asks for the proxy's settings: by itself that runs no credential plugin, and the user has
// asked for the window. What comes of it the cluster tells the model; the window opens in any case.
func (p *program) logIn(ctx context.Context, name string) {
	running := p.gateways.Running(name)
	if running == nil || running.Cluster().LoggedIn() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logInWait)
	defer cancel()
	_ = running.Cluster().Check(ctx)
}

// openFirst opens the first browser there is in the cluster of a context that is on, for the command line.
func (p *program) openFirst(ctx context.Context, windows *desktop.Browsers, state session.State) error {
	if !state.Phase.Listening() {
		return notOn(state)
	}
	browsers := desktop.FindBrowsers(p.settings.Config().Browser)
	if len(browsers) == 0 {
		return errNoBrowser
	}
	return p.openIn(ctx, windows, browsers[0], state.Name, "")
}
