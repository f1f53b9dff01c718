package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"fairlead/proxy/browser"
	"fairlead/proxy/http1"
	"fairlead/proxy/stream"
)

// A Site is the web server whose place a listener takes.
type Site struct {
	Target Target
	TLS    bool // it speaks TLS; its rule says how its certificate is checked
}

// ServeSite is like Serve, for a listener that stands for one web server, whose clients know no proxy. In requests, the
// listener's name is replaced by the server's (Host, Origin, Referer), and in answers the server's name by the
// listener's (Location, Content-Location, Refresh, Domain of cookies, Access-Control-Allow-Origin). Bodies are not
// changed. site is called for each request.
//
// Because the server does not see the original Host, that must be a name of this machine's loopback. Only a foreign DNS
// server can make another name lead here. The Config applies as for ServeTarget, and Handshake in addition. Failures
// are reported by HTTP answers.
func (s *Server) ServeSite(ctx context.Context, ln net.Listener, site func() Site) error {
	return s.run(ctx, ln, mode{site: site})
}

// errSiteLanguage is the error for a client that does not speak HTTP on a port that stands for a web server.
var errSiteLanguage = errors.New("this port stands for a web server and speaks plain HTTP only: use http:// in its address")

// serveSite serves a request to the web server that the listener stands for.
func (c *httpClient) serveSite(w http.ResponseWriter, r *http.Request) {
	site := c.conn.site()
	site.TLS = site.TLS && !c.conn.plain.Load()
	host := r.Host
	if host == "" { // HTTP/1.0
		host = c.LocalAddr().String()
	}
	switch {
	case r.Method == http.MethodConnect || !http1.IsOriginForm(r.RequestURI):
		badRequest(w, r, "this port stands for "+site.Target.String()+" alone, and is no proxy")
	case !isLocalName(host, c.RemoteAddr(), c.LocalAddr()):
		c.hide(oneLine(host), "a local port was asked for by another name")
	case c.enter():
		asked, _ := http1.ParseAbsolute("http://" + site.authority() + r.RequestURI) // an origin form always makes this a URL
		c.exchange(w, r, &exchange{target: site.Target, asked: asked, site: &localSite{site, host}})
	}
}

// isLocalName reports whether host names the listener at local as a name of the loopback, for a client on this machine.
// Names below localhost belong to the loopback as well (RFC 6761 6.3). With them, a browser keeps the cookies of two
// ports apart.
func isLocalName(host string, client, local net.Addr) bool {
	name, port, found := strings.Cut(host, ":")
	if strings.HasSuffix(strings.ToLower(name), ".localhost") {
		host = "localhost"
		if found {
			host += ":" + port
		}
	}
	return browser.IsOwnHost(host, client, local)
}

// scheme returns the scheme of the site's URLs.
func (s Site) scheme() string {
	if s.TLS {
		return "https"
	}
	return "http"
}

// authority returns the Host of requests to the site (RFC 9110 7.2). The number of a named port is not known.
func (s Site) authority() string {
	host := s.Target.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if s.Target.PortName != "" || s.isDefault(s.Target.Port) {
		return host
	}
	return fmt.Sprintf("%s:%d", host, s.Target.Port)
}

func (s Site) isDefault(port uint16) bool { return port == 443 && s.TLS || port == 80 && !s.TLS }

// origin returns the site's origin (RFC 6454 6.1).
func (s Site) origin() string { return s.scheme() + "://" + s.authority() }

// A localSite is a site under the name that a client knows it by.
type localSite struct {
	Site
	local string // the Host of the client's request
}

// toSite replaces the origin of the listener by that of the site in the header of a request.
func (s *localSite) toSite(r *http.Request) {
	local := "http://" + s.local
	for _, name := range []string{"Origin", "Referer"} {
		if said := r.Header[name]; len(said) == 1 {
			if rest, ok := cutOrigin(said[0], local); ok {
				r.Header[name] = []string{s.origin() + rest}
			}
		}
	}
}

// checkOrigin returns a *CrossOriginError for a request made by a page of another origin than the listener's.
func (s *localSite) checkOrigin(r *http.Request) error {
	origin, other := browser.OtherOrigin(r, func(text string) bool {
		_, ok := cutOrigin(text, "http://"+s.local)
		return ok
	})
	if !other {
		return nil
	}
	return &CrossOriginError{Target: s.Target.String(), Origin: oneLine(origin)}
}

// cutOrigin returns what follows an origin in a URL, and whether the URL has that origin.
func cutOrigin(text, origin string) (rest string, ok bool) {
	if len(text) < len(origin) || !strings.EqualFold(text[:len(origin)], origin) {
		return "", false
	}
	rest = text[len(origin):]
	return rest, rest == "" || strings.ContainsRune("/?#", rune(rest[0]))
}

// fromSite replaces the site's name by the listener's in the header of an answer.
func (s *localSite) fromSite(header http.Header) {
	for _, name := range []string{"Location", "Content-Location", "Access-Control-Allow-Origin"} {
		for i, text := range header[name] {
			header[name][i] = s.localURL(text)
		}
	}
	for i, text := range header["Refresh"] { // as in: 5; url=http://web.shop/
		if at := strings.Index(strings.ToLower(text), "url="); at >= 0 {
			header["Refresh"][i] = text[:at+4] + s.localURL(text[at+4:])
		}
	}
	for i, cookie := range header["Set-Cookie"] {
		header["Set-Cookie"][i] = s.localCookie(cookie)
	}
}

// localURL returns the URL of the listener for a URL of the site, and other URLs unchanged.
func (s *localSite) localURL(text string) string {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "" && u.Scheme != s.scheme() {
		return text
	}
	target := s.Target
	port := u.Port()
	samePort := port == fmt.Sprint(target.Port) || port == "" && (target.PortName != "" || s.isDefault(target.Port))
	if !samePort || !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), strings.TrimSuffix(target.Host, ".")) {
		return text
	}
	_, rest, _ := strings.Cut(text, "//")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return "http://" + s.local + rest[end:]
}

// localCookie returns a Set-Cookie without its Domain if that is the site's or a parent of it (RFC 6265 5.3). Without a
// Domain, the cookie belongs to the host that the client asked for. A client refuses a cookie with any other Domain,
// whether it comes from the listener or from the site.
func (s *localSite) localCookie(cookie string) string {
	parts := strings.Split(cookie, ";")
	kept := parts[:1]
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(name), "domain") && s.inDomain(strings.TrimSpace(value)) {
			continue
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ";")
}

func (s *localSite) inDomain(domain string) bool {
	domain = strings.ToLower(strings.TrimPrefix(domain, "."))
	host := strings.ToLower(strings.TrimSuffix(s.Target.Host, "."))
	if host == domain {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err != nil && domain != "" && strings.HasSuffix(host, "."+domain)
}

// isPlain reports whether err means that a site speaks plain HTTP where TLS was expected, and records that. If the rule
// checks certificates, the site must speak TLS.
func (x *exchange) isPlain(err error) bool {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok || x.route.rule.TLS == nil || !x.route.rule.TLS.InsecureSkipVerify {
		return false
	}
	x.client.conn.plain.Store(true)
	x.site.TLS = false
	return true
}

// secure performs the TLS handshake with a site. If the connection was refused meanwhile, the error is that refusal.
func (x *exchange) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	config := x.route.rule.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.ServerName = strings.TrimSuffix(x.target.Host, ".")
	config.NextProtos = []string{"http/1.1"}
	secured := stream.NewTLS(tls.Client(conn, config), conn)
	if err := secured.HandshakeContext(ctx); err != nil {
		if unconfirmed, ok := conn.(Unconfirmed); ok {
			err = openedOr(ctx, unconfirmed, err)
		}
		stream.Reset(conn)
		return nil, inTime(ctx, fmt.Errorf("TLS handshake with %s: %w", x.target, err))
	}
	return secured, nil
}
