package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
)

// A ResponseError is a response to a plain-HTTP request that cannot be passed on. It unwraps to a textproto.ProtocolError.
type ResponseError struct {
	Target string // host:port
	Detail string
	Large  bool // its head is larger than this proxy passes on
}

// The words of package net/textproto for a ResponseError.
const (
	errResponse      = textproto.ProtocolError("the answer breaks the rules of HTTP")
	errLargeResponse = textproto.ProtocolError("the head of the answer is too large")
)

func (e *ResponseError) Error() string {
	return fmt.Sprintf("the answer of %s cannot be passed on: %s", e.Target, e.Detail)
}

// Unwrap returns a word of package net/textproto.
func (e *ResponseError) Unwrap() error {
	if e.Large {
		return errLargeResponse
	}
	return errResponse
}

// checkStatus refuses a response to the request r that has no final status. The exception is 101 Switching Protocols, if
// the request asked for the protocol: its client would else go on with requests for other targets, and this one would get
// them.
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
	return &ResponseError{Target: x.answers(), Detail: detail}
}

// answers returns who answers the request: its target, or the forward proxy.
func (x *exchange) answers() string {
	if x.via != nil {
		return x.via.Host
	}
	return x.target.String()
}
