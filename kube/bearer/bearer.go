// Package bearer adds tokens to requests to an API server.
package bearer

import "net/http"

// A Transport adds a token to requests that do not have their own credentials.
type Transport struct {
	Next http.RoundTripper
	// Current returns the token for a request, empty for none, and a function that is called with the outcome.
	Current func() (token string, done func(Outcome), err error)
}

// An Outcome is what an API server's answer says about the credentials of a request.
type Outcome struct {
	Refused  bool
	Accepted bool  // as far as can be seen: it may still have refused the request
	Err      error // why there is no answer
}

// RoundTrip sends a request with the current token.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Header.Get("Authorization") != "" {
		return t.Next.RoundTrip(request)
	}
	token, done, err := t.Current()
	if err != nil {
		return nil, err
	}
	if token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := t.Next.RoundTrip(request)
	outcome := Outcome{Err: err}
	if err == nil && response.ProtoMajor != 0 { // else it was made on this side, without the API server
		outcome.Refused = response.StatusCode == http.StatusUnauthorized
		outcome.Accepted = !outcome.Refused && response.StatusCode < http.StatusInternalServerError
	}
	done(outcome)
	return response, err
}

// WrappedRoundTripper returns the round tripper below, for client-go, which closes its idle connections.
func (t *Transport) WrappedRoundTripper() http.RoundTripper { return t.Next }
