package api

import (
	"net/http"
	"net/url"

	"fairlead/kube/fault"
)

// maxRedirects bounds the redirects of one question, all of which stay with the API server.
const maxRedirects = 5

// newClient returns a client that refuses redirects to another server: rt puts credentials on every request, whatever its
// host, and a server could redirect this machine to its own localhost.
func newClient(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, CheckRedirect: func(request *http.Request, via []*http.Request) error {
		if !sameOrigin(request.URL, via[0].URL) || len(via) > maxRedirects {
			return fault.NewRedirect(request.URL)
		}
		return nil
	}}
}

// sameOrigin reports whether two URLs have the same scheme, host and port (RFC 6454, section 5).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Host == b.Host
}
