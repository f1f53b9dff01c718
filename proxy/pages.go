package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// page serves a request to the proxy itself. Such a request may come from a page of any web site that the user's browser
// shows, and by a name that leads here (DNS rebinding): it must name this machine's loopback as its Host, come from
// there, and be nobody else's. All others are not told that a proxy is here: their connection ends without an answer.
func (c *httpClient) page(w http.ResponseWriter, r *http.Request) {
	pages := c.conn.server.config.Load().Pages
	asked, err := url.ParseRequestURI(r.RequestURI)
	switch {
	case !c.isOwnHost(r.Host) || crossSite(r):
		c.hide(oneLine(r.Host), "this proxy's own pages were asked for by another name, or for a page of another site")
	case pages == nil:
		badRequest(w, r, "this is a proxy; ask it for absolute URLs or CONNECT")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		sayHTTP(w, r, Answer{Status: http.StatusMethodNotAllowed, Text: "this proxy's own pages can only be read"})
	case err != nil:
		badRequest(w, r, "this proxy has no page of that name")
	default:
		r.URL = asked
		header := answerHeader(w.Header(), Answer{})
		confine(header)
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		pages.ServeHTTP(w, r)
	}
}

// hide ends the connection of a request without an answer, and the handler with it.
func (c *httpClient) hide(host, reason string) {
	if n, ok := c.conn.server.gate.hidden.Admit(time.Now()); ok {
		c.conn.config.Log.Info().Uint64("conn", c.conn.id).Str("host", host).Str("reason", reason).Int("others", n).
			Msg("request not answered")
	}
	panic(http.ErrAbortHandler)
}

// isOwnHost tells whether host is this proxy by a name of the loopback, asked from this machine.
func (c *httpClient) isOwnHost(host string) bool {
	client, _ := c.RemoteAddr().(*net.TCPAddr)
	local, _ := c.LocalAddr().(*net.TCPAddr)
	if client == nil || local == nil || !client.IP.IsLoopback() {
		return false
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "80"
	}
	ip, err := netip.ParseAddr(name)
	loopback := strings.EqualFold(name, "localhost") || err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
	return loopback && port == strconv.Itoa(local.Port)
}

// crossSite tells whether a browser says that a page of another origin asks (Fetch Metadata, RFC 6454 section 7). What
// is no browser says nothing of the kind.
func crossSite(r *http.Request) bool {
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "" && site != "none" && site != "same-origin" {
			return true
		}
	}
	origin, asked := r.Header["Origin"]
	if !asked {
		return false
	}
	return len(origin) != 1 || !strings.EqualFold(origin[0], "http://"+r.Host) && !strings.EqualFold(origin[0], "https://"+r.Host)
}
