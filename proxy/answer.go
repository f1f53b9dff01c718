package proxy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"

	"fairlead/proxy/browser"
	"fairlead/proxy/http1"
	"fairlead/proxy/socks"
)

// statusInternal is the error type of RFC 9209 for failures that have no better one.
const statusInternal = "proxy_internal_error"

const maxAnswerText = 1000 // bytes

// Windows returns these where other systems return ECONNREFUSED and its like. On other systems no error has them.
const (
	wsaNetUnreachable  = syscall.Errno(10051)
	wsaAborted         = syscall.Errno(10053)
	wsaReset           = syscall.Errno(10054)
	wsaRefused         = syscall.Errno(10061)
	wsaHostUnreachable = syscall.Errno(10065)
)

// An Answer is the answer to a client about a failure, in each of the protocols that it may speak.
type Answer struct {
	SOCKS4 byte   // reply code of SOCKS4, 91 to 93; anything else means 91
	SOCKS5 byte   // reply code of RFC 1928; 0 means 1, since a failure is never reported as success
	Status int    // HTTP status, 400 to 599; anything else means 502
	Text   string // one sentence for the body of an HTTP answer
	// Public replaces Text if a web page may be able to read the answer. It says nothing about this machine or the path
	// to the target. If empty, the name of the status is used.
	Public string
	// ProxyStatus is the error type of RFC 9209 section 2.3 for the Proxy-Status header: "dns_error". Any other text
	// means "proxy_internal_error".
	ProxyStatus string
	// Page is the body for clients that ask for HTML, a whole document that loads nothing and says no more than Public;
	// if empty, they get the same as other clients.
	Page string
}

// DefaultAnswer returns an answer for an error of a Dialer, by the errors of package net and the system that it wraps.
func DefaultAnswer(err error) Answer {
	var dns *net.DNSError
	var timeout net.Error
	var unanswered *NoAnswerError
	answer := Answer{SOCKS5: socks.GeneralFailure5, Status: http.StatusBadGateway, Text: err.Error(), ProxyStatus: statusInternal}
	switch {
	case errors.Is(err, fs.ErrPermission):
		answer.SOCKS5, answer.Status, answer.ProxyStatus = socks.NotAllowed5, http.StatusForbidden, "http_request_denied"
	case errors.Is(err, ErrTooMany):
		answer.Status, answer.ProxyStatus = http.StatusServiceUnavailable, "connection_limit_reached"
	case errors.As(err, &dns) && dns.IsNotFound:
		answer.SOCKS5, answer.ProxyStatus = socks.HostUnreachable5, "dns_error"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaRefused):
		answer.SOCKS5, answer.ProxyStatus = socks.Refused5, "connection_refused"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		answer.SOCKS5, answer.Status, answer.ProxyStatus = socks.Expired5, http.StatusGatewayTimeout, "connection_timeout"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, wsaHostUnreachable):
		answer.SOCKS5, answer.Status, answer.ProxyStatus = socks.HostUnreachable5, http.StatusServiceUnavailable, "destination_unavailable"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, wsaNetUnreachable):
		answer.SOCKS5, answer.ProxyStatus = socks.NetUnreachable5, "destination_ip_unroutable"
	case errors.Is(err, errLargeResponse):
		answer.ProxyStatus = "http_response_header_section_size"
	case errors.As(err, new(*NotHTTPError)), errors.As(err, new(*ResponseError)):
		answer.ProxyStatus = "http_protocol_error"
	case errors.As(err, &unanswered):
		answer.ProxyStatus = "connection_terminated"
	case errors.Is(err, errors.ErrUnsupported):
		answer.SOCKS5, answer.ProxyStatus = socks.HostUnreachable5, "destination_unavailable"
	}
	return answer
}

// answer returns the configured answer, with values that cannot be sent replaced.
func (c *Config) answer(target Target, err error) Answer {
	answer := c.Answer(target.String(), err)
	if answer.SOCKS4 < socks.Rejected4 || answer.SOCKS4 > socks.OtherUser4 {
		answer.SOCKS4 = socks.Rejected4
	}
	if answer.SOCKS5 == socks.Succeeded5 {
		answer.SOCKS5 = socks.GeneralFailure5
	}
	if answer.Status < 400 || answer.Status > 599 {
		answer.Status = http.StatusBadGateway
	}
	if !http1.IsErrorType(answer.ProxyStatus) {
		answer.ProxyStatus = statusInternal
	}
	if answer.Text = oneLine(answer.Text); answer.Text == "" {
		answer.Text = http.StatusText(answer.Status)
	}
	if answer.Public = oneLine(answer.Public); answer.Public == "" {
		answer.Public = http.StatusText(answer.Status)
	}
	return answer
}

// oneLine returns text in one line that is safe for a terminal, because it may quote a client or a cluster.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxAnswerText {
		text = strings.ToValidUTF8(text[:maxAnswerText], "") + "…"
	}
	return strings.TrimSpace(text)
}

// badRequest answers a request that no proxy can serve.
func badRequest(w http.ResponseWriter, r *http.Request, text string) {
	sayHTTP(w, r, Answer{Status: http.StatusBadRequest, Text: oneLine(text), ProxyStatus: "http_request_error"})
}

// answerTo returns the answer to a request that no proxy can serve.
func answerTo(e *http1.Error) Answer {
	return Answer{Status: e.Status, Text: oneLine(e.Text), ProxyStatus: "http_request_error"}
}

// sayHTTP answers with one line of text, or with a page if there is one and the client prefers HTML.
func sayHTTP(w http.ResponseWriter, r *http.Request, answer Answer) {
	if answer.Public != "" && browser.PageMayRead(r) {
		answer.Text = answer.Public
	}
	header, body := answerHeader(w.Header(), answer), answer.Text+"\n"
	header.Set("Cross-Origin-Resource-Policy", "same-origin") // for other origins, the request fails
	if answer.Page != "" {
		header.Set("Vary", "Accept")
		if browser.AcceptsHTML(r) {
			header.Set("Content-Type", "text/html; charset=utf-8")
			confine(header)
			body = answer.Page
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.Status)
	_, _ = io.WriteString(w, body) // net/http notices if the client has gone
}

// answerHeader sets the header of an answer that the proxy itself gives, with one line of text.
func answerHeader(header http.Header, answer Answer) http.Header {
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if answer.ProxyStatus != "" {
		header.Set("Proxy-Status", http1.ProxyStatus(answer.ProxyStatus, answer.Text))
	}
	return header
}

// confine keeps an HTML document of ours from loading or running anything and from being framed, because a browser
// shows an error page as one of the requested host.
func confine(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
}
