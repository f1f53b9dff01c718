package proxy

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"fairlead/proxy/http1"
)

// A CrossOriginError is a plain-HTTP request of a page of one origin to another origin, by a rule that refuses those. It
// unwraps to fs.ErrPermission.
type CrossOriginError struct {
	Target string // host:port
	Origin string // the page's, as far as its browser tells; it is the client's text
}

func (e *CrossOriginError) Error() string {
	return fmt.Sprintf("a page of %s asked for %s, and its rule refuses other origins", e.Origin, e.Target)
}

// Unwrap gives fs.ErrPermission.
func (e *CrossOriginError) Unwrap() error { return fs.ErrPermission }

// CrossOrigin returns the target, and the origin of the page.
func (e *CrossOriginError) CrossOrigin() (target, origin string) { return e.Target, e.Origin }

// checkOrigin returns a *CrossOriginError for a request of a page of another origin than target's, as far as the browser
// tells. Browsers send Origin with every method but GET and HEAD, with requests whose answer a script may read, and with
// WebSockets. They send Fetch Metadata only to hosts that they trust, to which plain HTTP seldom belongs; what remains is
// Referer. A GET with none of the three passes: it comes from a program, or from a page that hides its origin and cannot
// read the answer. To follow a link is the user's request, not the page's; without Fetch Metadata that of a frame looks
// the same. Two hosts of one site are two origins, since they may belong to two tenants.
func checkOrigin(r *http.Request, target Target) error {
	refused := func(origin string) error { return &CrossOriginError{Target: target.String(), Origin: oneLine(origin)} }
	origins, sites, referers := r.Header["Origin"], r.Header["Sec-Fetch-Site"], r.Header["Referer"]
	for _, origin := range origins {
		if len(origins) > 1 || !isOriginOf(origin, target) {
			return refused(origin)
		}
	}
	if followsLink(r) {
		return nil
	}
	for _, site := range sites {
		if site != "none" && site != "same-origin" {
			return refused(originOf(r.Referer()))
		}
	}
	if len(origins)+len(sites) > 0 {
		return nil
	}
	for _, referer := range referers {
		if !isOriginOf(referer, target) {
			return refused(originOf(referer))
		}
	}
	return nil
}

// followsLink reports whether a browser requests a document to show, and sends no data with the request.
func followsLink(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode, ok := r.Header["Sec-Fetch-Mode"]; ok {
		return len(mode) == 1 && mode[0] == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	}
	// Browsers send it with navigations. A script that adds it to a request makes the browser send Origin as well.
	return r.Header.Get("Upgrade-Insecure-Requests") == "1" && r.Header.Get("Upgrade") == ""
}

// isOriginOf reports whether text is a URL, or an origin (RFC 6454 6.1), of what target serves over plain HTTP.
func isOriginOf(text string, target Target) bool {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Scheme, "http") || u.Host == "" {
		return false
	}
	of, err := targetOf(http1.Absolute{Scheme: "http", Authority: u.Host})
	return err == nil && strings.EqualFold(of.Host, target.Host) && of.Port == target.Port
}

// originOf returns the origin of a URL, in words where it has none.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "another origin"
	}
	return u.Scheme + "://" + u.Host
}
