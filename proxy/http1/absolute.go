package http1

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// An Absolute is the target of a plain-HTTP request (RFC 9112 3.2.2), in parts that make it up again. Package
// net/url would refuse some that servers take, and write others in its own way.
type Absolute struct {
	Scheme    string
	Authority string // without a user
	rest      string // path and query, as the client wrote them; may be empty
}

// ParseAbsolute splits a target, and reports whether it is an absolute one. A user in it, which RFC 9110 4.2.4
// deprecates, is dropped: what remains in authority is then no host's name if it is not one of a user.
func ParseAbsolute(target string) (Absolute, bool) {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || strings.Trim(scheme, letters+"0123456789+-.") != "" || scheme == "" {
		return Absolute{}, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	if user, host, ok := strings.Cut(authority, "@"); ok && strings.Trim(user, userBytes) == "" {
		authority = host
	}
	return Absolute{scheme, authority, rest[end:]}, true
}

// userBytes may stand in the user part of a URL (RFC 3986 3.2.1).
const userBytes = letters + "0123456789" + "-._~" + "!$&'()*+,;=" + ":%"

// HasPort reports whether the authority names a port, or at least has the colon before one.
func (t Absolute) HasPort() bool {
	return strings.Contains(t.Authority[strings.IndexByte(t.Authority, ']')+1:], ":")
}

// URL returns a URL for net/http, which says where the request goes and not what it asks for.
func (t Absolute) URL() *url.URL {
	return &url.URL{Scheme: "http", Host: t.Authority, Path: "/"}
}

// Line returns the target with which the request is sent on: to a forward proxy as it came, to a server without the
// authority (RFC 9112 3.2.1), which has the asterisk for OPTIONS without a path (3.2.4).
func (t Absolute) Line(method string, forward bool) string {
	switch {
	case forward:
		return "http://" + t.Authority + t.rest
	case method == http.MethodOptions && t.rest == "":
		return "*"
	case strings.HasPrefix(t.rest, "/"):
		return t.rest
	}
	return "/" + t.rest
}

// WithTarget puts target in the place of the one in p, with which net/http begins a request.
func WithTarget(p []byte, target string) ([]byte, error) {
	before, rest, _ := bytes.Cut(p, []byte(" "))
	i := bytes.Index(rest, []byte(" HTTP/1.1\r\n"))
	if i < 0 || bytes.ContainsAny(rest[:i], " \r\n") {
		return nil, errors.New("net/http writes no request line of HTTP/1.1")
	}
	out := make([]byte, 0, len(p)+len(target))
	out = append(append(out, before...), ' ')
	return append(append(out, target...), rest[i:]...), nil
}
