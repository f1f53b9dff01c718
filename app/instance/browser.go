package instance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fairlead/app/desktop"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
)

var ErrNoBrowser = errors.New("none of the browsers that Fairlead can drive was found: Chromium, Chrome, Edge, Brave, Firefox")

// ErrTLSOnly is why nothing leads a program to a proxy when it cannot be told of a certificate.
func ErrTLSOnly(name string) error {
	return fmt.Errorf("this proxy takes only clients with TLS and a certificate: `fairlead env %s --for curl` shows how", name)
}

// ProxyOf is a context's proxy as its clients set it, with the password where one is wanted.
func (p *Instance) ProxyOf(name string) (snippet.Proxy, error) {
	c, err := p.Settings.Prepare(name)
	if err != nil {
		return snippet.Proxy{}, err
	}
	address := c.Address()
	if running := p.Gateways.Running(name); running != nil {
		address = running.Address()
	}
	at, err := netip.ParseAddrPort(session.Here(address))
	if err != nil {
		return snippet.Proxy{}, err
	}
	proxy := snippet.Proxy{Address: at, TLS: c.RequireTLS}
	if c.Password {
		proxy.User, proxy.Password = c.Credentials.User, c.Credentials.Password
	}
	return proxy, nil
}

// OpenIn opens a window of a browser, on the proxy's own page when none is named.
func (p *Instance) OpenBrowser(ctx context.Context, windows *desktop.Browsers, browser desktop.Browser, name, page string) error {
	proxy, err := p.ProxyOf(name)
	if err != nil {
		return err
	}
	if proxy.TLS {
		return ErrTLSOnly(name)
	}
	address := proxy.Address.String()
	if page == "" {
		page = "http://" + address + "/"
	}
	window := desktop.Window{Proxy: address, URL: page}
	// Where outside hosts are refused, the window must not reach them past the proxy.
	if p.Settings.Effective(name).Outside == settings.Direct {
		window.PAC = "http://" + address + "/proxy.pac"
		p.logIn(ctx, name)
	}
	return windows.Open(ctx, browser, window)
}

// logInTimeout bounds how long a browser window waits for a login.
const logInTimeout = 5 * time.Second

// logIn sees to a login before a browser asks for the proxy's settings: by itself that runs no credential plugin, and the user has
// asked for the window. What comes of it the cluster tells the model; the window opens in any case.
func (p *Instance) logIn(ctx context.Context, name string) {
	running := p.Gateways.Running(name)
	if running == nil || running.Cluster().LoggedIn() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logInTimeout)
	defer cancel()
	_ = running.Cluster().Check(ctx)
}

// openFirstBrowser opens the first browser there is in the cluster of a context that is on, for the command line.
func (p *Instance) openFirstBrowser(ctx context.Context, windows *desktop.Browsers, state session.State) error {
	if !state.Phase.Listening() {
		return errNotOn(state)
	}
	browsers := desktop.FindBrowsers(p.Settings.Config().Browser)
	if len(browsers) == 0 {
		return ErrNoBrowser
	}
	return p.OpenBrowser(ctx, windows, browsers[0], state.Name, "")
}
