package proxy

import (
	"bytes"
	"net/textproto"
)

// A NotHTTPError is a plain-HTTP request to a target that speaks another language. It unwraps to a
// textproto.ProtocolError.
type NotHTTPError struct {
	Target string // host:port
	TLS    bool   // it speaks TLS
}

func (e *NotHTTPError) Error() string { return e.Target + " does not speak HTTP: " + e.word().Error() }

// Unwrap returns the word of package net/textproto for it.
func (e *NotHTTPError) Unwrap() error { return e.word() }

func (e *NotHTTPError) word() textproto.ProtocolError {
	if e.TLS {
		return "the answer is TLS"
	}
	return "the answer is no HTTP"
}

// httpVersion begins every answer in HTTP/1 (RFC 9112 4).
const httpVersion = "HTTP/"

// listen keeps the first bytes that a target ever sent. A program that greets its client does so before the request.
func (t *httpTargetConn) listen(p []byte) {
	begins := t.begins.Load()
	if begins == nil {
		begins = &[]byte{}
	}
	if missing := len(httpVersion) - len(*begins); missing > 0 && len(p) > 0 {
		more := append(bytes.Clone(*begins), p[:min(missing, len(p))]...)
		t.begins.Store(&more)
	}
}

// notHTTP returns a *NotHTTPError if what the target sent first is no HTTP, else nil.
func (x *exchange) notHTTP() error {
	conn := x.carried.Load()
	if conn == nil {
		conn = x.dialled.Load()
	}
	if conn == nil || x.via != nil {
		return nil
	}
	begins := conn.begins.Load()
	if begins == nil || bytes.HasPrefix([]byte(httpVersion), *begins) {
		return nil
	}
	record := *begins
	const alert = tlsHandshake - 1 // RFC 8446 5.1
	return &NotHTTPError{Target: x.target.String(), TLS: len(record) > 1 && (record[0] == alert || record[0] == tlsHandshake) && record[1] == 3}
}
