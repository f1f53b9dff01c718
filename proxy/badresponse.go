package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"syscall"
)

// A NoAnswerError is the error for a plain-HTTP request whose connection ended before a byte of the answer arrived. GET
// and HEAD without a body have then been sent again on a new connection (RFC 9110 9.2.2). For other requests, it is not
// known what the target did.
type NoAnswerError struct {
	Target   string // host:port
	Repeated bool   // the request was sent twice
	Err      error  // what ended the connection
}

func (e *NoAnswerError) Error() string {
	if e.Repeated {
		return fmt.Sprintf("%s closed two connections without an answer: %v", e.Target, e.Err)
	}
	return fmt.Sprintf("%s closed the connection without an answer: %v", e.Target, e.Err)
}

// Unwrap returns what ended the connection.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// Unanswered returns the target, and whether the request was sent twice.
func (e *NoAnswerError) Unanswered() (target string, repeated bool) { return e.Target, e.Repeated }

// unansweredErrors are the errors of package net for a connection that has ended, or never existed.
var unansweredErrors = []error{
	io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, wsaAborted, wsaReset,
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, wsaRefused, wsaHostUnreachable,
}

// A NotHTTPError is the error for a plain-HTTP request to a target that speaks another protocol. It unwraps to a
// textproto.ProtocolError.
type NotHTTPError struct {
	Target string // host:port
	TLS    bool   // it speaks TLS
}

func (e *NotHTTPError) Error() string { return e.Target + " does not speak HTTP: " + e.word().Error() }

// Unwrap returns a textproto.ProtocolError.
func (e *NotHTTPError) Unwrap() error { return e.word() }

func (e *NotHTTPError) word() textproto.ProtocolError {
	if e.TLS {
		return "the answer is TLS"
	}
	return "the answer is no HTTP"
}

// httpVersion begins every answer in HTTP/1 (RFC 9112 4).
const httpVersion = "HTTP/"

// keepBeginning keeps the first bytes that a target has sent on the connection. A server that speaks first does so
// before the request.
func (t *httpTargetConn) keepBeginning(p []byte) {
	begins := t.begins.Load()
	if begins == nil {
		begins = &[]byte{}
	}
	if missing := len(httpVersion) - len(*begins); missing > 0 && len(p) > 0 {
		more := append(bytes.Clone(*begins), p[:min(missing, len(p))]...)
		t.begins.Store(&more)
	}
}

// notHTTP returns a *NotHTTPError if the first bytes from the target are not HTTP, and nil otherwise.
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

// A ResponseError is the error for a response to a plain-HTTP request that cannot be passed on. It unwraps to a
// textproto.ProtocolError.
type ResponseError struct {
	Target string // host:port
	Detail string
	Large  bool // its head is larger than this proxy passes on
}

// The errors that a ResponseError unwraps to.
const (
	errResponse      = textproto.ProtocolError("the answer breaks the rules of HTTP")
	errLargeResponse = textproto.ProtocolError("the head of the answer is too large")
)

func (e *ResponseError) Error() string {
	return fmt.Sprintf("the answer of %s cannot be passed on: %s", e.Target, e.Detail)
}

// Unwrap returns a textproto.ProtocolError.
func (e *ResponseError) Unwrap() error {
	if e.Large {
		return errLargeResponse
	}
	return errResponse
}

// checkStatus refuses a response to the request r that has no final status. The exception is 101 Switching Protocols,
// if the request asked for the protocol. Otherwise the client would continue with requests for other targets, and this
// target would get them.
func (x *exchange) checkStatus(r *http.Request, response *http.Response) error {
	status, asked, got := response.StatusCode, r.Header.Get("Upgrade"), response.Header.Get("Upgrade")
	var detail string
	switch {
	case status >= http.StatusOK:
		return nil
	case status != http.StatusSwitchingProtocols: // net/http's server panics below 100
		detail = fmt.Sprintf("%03d is no final status", status)
	case asked == "" || !strings.EqualFold(asked, got):
		detail = fmt.Sprintf("it switches to protocol %.40q unasked", got)
	default:
		if _, ok := response.Body.(io.ReadWriteCloser); ok {
			return nil
		}
		detail = "it switches protocols without \u201cConnection: Upgrade\u201d" // net/http has kept the connection
	}
	return &ResponseError{Target: x.answerer(), Detail: detail}
}

// answerer returns the address of the server that answers the request: the target or a forward proxy.
func (x *exchange) answerer() string {
	if x.via != nil {
		return x.via.Host
	}
	return x.target.String()
}

// largeHead returns a *ResponseError if the response that ended the exchange has too large a head, else nil.
func (x *exchange) largeHead() error {
	conn := x.carried.Load()
	if conn == nil {
		conn = x.dialled.Load()
	}
	if conn == nil {
		return nil
	}
	if wrong := conn.large.Load(); wrong != nil {
		return &ResponseError{Target: x.answerer(), Detail: *wrong, Large: true}
	}
	return nil
}

// freeHead releases what the head of the response is counted for.
func (x *exchange) freeHead() {
	if conn := x.carried.Load(); conn != nil {
		conn.head.End()
	}
}
