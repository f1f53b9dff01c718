package proxy

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
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

// checkOrigin refuses what a page of another origin asks target for, as far as its browser tells: in Origin, which
// stands in all but GET and HEAD, in what a script may read and in WebSockets; in Fetch Metadata, which browsers leave
// out over plain HTTP unless they trust the host; else in Referer. Where none of the three stands, the page has hidden
// where it is, or there is no page: such a GET may pass, since its answer is for no script. A link that is followed to
// the target is no request of the page that has it. Two hosts of one site are two origins: they may be two tenants'.
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

// followsLink reports whether a browser asks for a document to show, and sends nothing for it.
func followsLink(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode, ok := r.Header["Sec-Fetch-Mode"]; ok {
		return len(mode) == 1 && mode[0] == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	}
	// No script can add it to a request for another origin without its own origin being told.
	return r.Header.Get("Upgrade-Insecure-Requests") == "1" && r.Header.Get("Upgrade") == ""
}

// isOriginOf reports whether text is a URL, or an origin (RFC 6454 6.1), of what target serves over plain HTTP.
func isOriginOf(text string, target Target) bool {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Scheme, "http") || u.Host == "" {
		return false
	}
	of, err := absoluteTarget{scheme: "http", authority: u.Host}.target()
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
