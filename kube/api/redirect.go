package api

import (
	"net/http"
	"net/url"

	"fairlead/kube/fault"
)

// maxRedirects bounds how often an API server may send one question on within itself.
const maxRedirects = 5

// newClient returns a client whose redirects stay with the server that was asked: what is in rt puts credentials on every
// request, wherever it goes, and a server could have this machine ask its own localhost.
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
