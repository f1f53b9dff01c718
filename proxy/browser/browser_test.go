package browser

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// asks returns a request with a header of lines "Name: value".
func asks(method, host string, lines ...string) *http.Request {
	r := &http.Request{Method: method, Host: host, Header: http.Header{}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestOnlyOwnRequestsAreOwn(t *testing.T) {
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1080}
	near, far := &net.TCPAddr{IP: net.IPv6loopback, Port: 4000}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4000}
	for _, c := range []struct {
		r      *http.Request
		client net.Addr
		own    bool
	}{
		{asks("GET", "127.0.0.1:1080"), near, true},
		{asks("GET", "LocalHost:1080", "Sec-Fetch-Site: none"), near, true},
		{asks("GET", "[::1]:1080", "Origin: http://[::1]:1080"), near, true},
		{asks("GET", "127.0.0.1:1080"), far, false},
		{asks("GET", "127.0.0.1:1081"), near, false},
		{asks("GET", "127.0.0.1"), near, false},
		{asks("GET", "evil.example:1080"), near, false},
		{asks("GET", "127.0.0.1:1080", "Origin: http://evil.example"), near, false},
		{asks("GET", "127.0.0.1:1080", "Origin: http://127.0.0.1:1080", "Origin: http://127.0.0.1:1080"), near, false},
		{asks("GET", "127.0.0.1:1080", "Sec-Fetch-Site: cross-site"), near, false},
	} {
		if got := IsOwnRequest(c.r, c.client, here); got != c.own {
			t.Errorf("%s %s of %s: %t", c.r.Host, c.r.Header, c.client, got)
		}
	}
}

func TestPagesOfOtherOrigins(t *testing.T) {
	isTarget := func(text string) bool { return strings.HasPrefix(text, "http://web.shop") }
	for _, c := range []struct {
		r     *http.Request
		other string
	}{
		{asks("GET", "web.shop"), ""},
		{asks("POST", "web.shop", "Origin: http://web.shop"), ""},
		{asks("POST", "web.shop", "Origin: null"), "null"},
		{asks("GET", "web.shop", "Referer: http://evil.example/page"), "http://evil.example"},
		{asks("GET", "web.shop", "Referer: http://evil.example/page", "Upgrade-Insecure-Requests: 1"), ""}, // a link
		{asks("POST", "web.shop", "Referer: http://evil.example/page", "Upgrade-Insecure-Requests: 1"), "http://evil.example"},
		{asks("GET", "web.shop", "Sec-Fetch-Site: same-site"), "another origin"},
		{asks("GET", "web.shop", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"), ""},
		{asks("GET", "web.shop", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"), "another origin"},
	} {
		if origin, other := OtherOrigin(c.r, isTarget); origin != c.other || other != (c.other != "") {
			t.Errorf("%s %s: %q, %t", c.r.Method, c.r.Header, origin, other)
		}
	}
}

func TestWhoCanReadAnAnswer(t *testing.T) {
	for line, may := range map[string]bool{"User-Agent: curl/8.5.0": false, "Accept: */*": false, "Accept-Language: en": true, "Sec-Fetch-Dest: empty": true, "User-Agent: Mozilla/5.0": true} {
		if got := PageMayRead(asks("GET", "web.shop", line)); got != may {
			t.Errorf("%s: %t", line, got)
		}
	}
	for line, accepts := range map[string]bool{"Accept: */*": false, "Accept: text/html;q=0": false, "Accept: text/plain, text/html;q=0.5": true, "Accept: application/xhtml+xml": true} {
		if got := AcceptsHTML(asks("GET", "web.shop", line)); got != accepts {
			t.Errorf("%s: %t", line, got)
		}
	}
}
