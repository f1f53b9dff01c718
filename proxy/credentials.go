package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"time"
)

// challenge is the Proxy-Authenticate header for HTTP clients (RFC 7617).
const challenge = `Basic realm="fairlead", charset="UTF-8"`

// equal reports whether user and password are right, in a time that does not depend on them.
func (c *Credentials) equal(user, password string) bool {
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(c.User, user)&same(c.Password, password) == 1
}

// wrongPassword logs a wrong user or password and waits before the answer. It returns false if the client gets none.
func (c *connection) wrongPassword(protocol Protocol) bool {
	if n, ok := c.server.gate.unauth.Admit(time.Now()); ok {
		c.config.Log.Warn().Uint64("conn", c.id).Str("protocol", string(protocol)).Int("others", n).Msg("wrong user or password")
	}
	wait, ok := c.server.gate.guesses.Reserve(time.Now())
	if !ok {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.place.Gone():
	case <-c.cut.Done():
	case <-c.stopping.Done():
	}
	return false
}

// admitted reports whether a request has the password, if one is required. If it returns false, it has answered the
// request (RFC 9110 11.7).
func (c *httpClient) admitted(w http.ResponseWriter, r *http.Request) bool {
	wanted := c.conn.server.config.Load().Credentials
	if wanted == nil {
		return c.enter()
	}
	text := "This proxy wants a user and a password: they are in the URL that Fairlead copies for it."
	if given := r.Header.Values("Proxy-Authorization"); len(given) > 0 {
		// net/http reads Basic credentials from the header of servers alone.
		as := http.Request{Header: http.Header{"Authorization": given[:1]}}
		if user, password, ok := as.BasicAuth(); ok && len(given) == 1 && wanted.equal(user, password) {
			return c.enter()
		}
		text = "This proxy wants another user or password: the right ones are in the URL that Fairlead copies for it."
		if !c.conn.wrongPassword(HTTP) {
			panic(http.ErrAbortHandler)
		}
	}
	_ = c.Peeked.SetReadDeadline(time.Now().Add(c.conn.config.Handshake)) // for the rest of the request
	w.Header().Set("Proxy-Authenticate", challenge)
	sayHTTP(w, r, Answer{Status: http.StatusProxyAuthRequired, ProxyStatus: "http_request_denied", Text: text})
	return false
}

// enter admits a client. One that gave way to others meanwhile has no connection for an answer.
func (c *httpClient) enter() bool {
	if !c.conn.place.Admit() {
		panic(http.ErrAbortHandler)
	}
	return true
}
