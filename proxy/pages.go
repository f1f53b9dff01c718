package proxy

import (
	"net/http"
	"net/url"
	"time"

	"fairlead/proxy/browser"
)

// page serves a request to the proxy itself. Such a request may come from a page of any web site that the user's browser
// shows, and by a name that leads here (DNS rebinding): it must name this machine's loopback as its Host, come from
// there, and be nobody else's. All others are not told that a proxy is here: their connection ends without an answer.
func (c *httpClient) page(w http.ResponseWriter, r *http.Request) {
	pages := c.conn.server.config.Load().Pages
	asked, err := url.ParseRequestURI(r.RequestURI)
	switch {
	case !browser.IsOwnRequest(r, c.RemoteAddr(), c.LocalAddr()):
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
