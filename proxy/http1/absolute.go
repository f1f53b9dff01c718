package http1

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// An Absolute is the target of a plain-HTTP request (RFC 9112 3.2.2), split into parts. Package net/url would refuse
// some targets that servers accept, and would change how others are written.
type Absolute struct {
	Scheme    string
	Authority string // without a user
	rest      string // path and query, as the client wrote them; may be empty
}

// ParseAbsolute splits a target, and reports whether it is an absolute one. A user in it, which RFC 9110 4.2.4
// deprecates, is dropped.
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

// userBytes are the bytes that the user part of a URL may contain (RFC 3986 3.2.1).
const userBytes = letters + "0123456789" + "-._~" + "!$&'()*+,;=" + ":%"

// HasPort reports whether the authority has a port, or at least the colon before one.
func (t Absolute) HasPort() bool {
	return strings.Contains(t.Authority[strings.IndexByte(t.Authority, ']')+1:], ":")
}

// URL returns a URL for net/http, with the server of the request but without its path.
func (t Absolute) URL() *url.URL {
	return &url.URL{Scheme: "http", Host: t.Authority, Path: "/"}
}

// Line returns the target to write into the request that is sent. For a forward proxy that is the original one, for a
// server the target without the authority (RFC 9112 3.2.1), or an asterisk for OPTIONS without a path (3.2.4).
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

// WithTarget replaces the target in p, which begins with a request line as net/http writes it.
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
