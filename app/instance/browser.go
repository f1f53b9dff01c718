package instance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fairlead/app/desktop"
	"fairlead/app/gateway"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
)

// ErrNoBrowser is returned when no browser is installed that Fairlead can start.
var ErrNoBrowser = errors.New("none of the browsers that Fairlead can drive was found: Chromium, Chrome, Edge, Brave, Firefox")

// ErrTLSOnly returns the error for a program that cannot use a client certificate, if the proxy requires one.
func ErrTLSOnly(name string) error {
	return fmt.Errorf("this proxy takes only clients with TLS and a certificate: `fairlead env %s --for curl` shows how", name)
}

// ProxyOf returns a context's proxy as its clients configure it, with the password if one is required.
func (p *Instance) ProxyOf(name string) (snippet.Proxy, error) {
	c, err := p.Settings.Prepare(name)
	if err != nil {
		return snippet.Proxy{}, err
	}
	address := c.Proxy().Address.String()
	if running := p.Gateways.Running(name); running != nil {
		address = running.Endpoints().ProxyAddress()
	}
	at, err := netip.ParseAddrPort(session.DialAddress(address))
	if err != nil {
		return snippet.Proxy{}, err
	}
	proxy := snippet.Proxy{Address: at, TLS: c.RequireTLS}
	if c.Password {
		proxy.User, proxy.Password = c.Credentials.User, c.Credentials.Password
	}
	for _, e := range c.Forwards() {
		proxy.Forwards = append(proxy.Forwards, snippet.Forward{Address: e.Address, Target: e.To})
	}
	return proxy, nil
}

// OpenBrowser opens a browser window at a page, or at the proxy's own page if page is empty.
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
	// If hosts outside are refused, the window gets no PAC file, because it must not bypass the proxy to reach them.
	if p.Settings.Effective(name).Outside == settings.Direct {
		window.PAC = "http://" + address + "/proxy.pac"
		ensureLogin(ctx, p.Gateways.Running(name))
	}
	return windows.Open(ctx, browser, window)
}

// logInTimeout bounds how long a browser window waits for a login.
const logInTimeout = 5 * time.Second

// ensureLogin logs in to a gateway's cluster before a browser fetches the PAC file. The proxy does not run credential
// plugins for a PAC file by itself, but here the user has asked for the window. The cluster reports the result to the
// model, and the window opens in any case.
func ensureLogin(ctx context.Context, running *gateway.Gateway) {
	if running == nil || running.Cluster().LoggedIn() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logInTimeout)
	defer cancel()
	_ = running.Cluster().Check(ctx)
}

// NoBrowser returns the error for a browser that was not found. The error names those that were.
func NoBrowser(name string, found []desktop.Browser) error {
	var titles []string
	for _, b := range found {
		titles = append(titles, b.Title)
	}
	return fmt.Errorf("no browser %q was found; there are %s", name, strings.Join(titles, ", "))
}
