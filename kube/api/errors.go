package api

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
	"fairlead/kube/retryafter"
	"fairlead/proxy/safetext"
)

// MaxText bounds what is kept of the API server's own words, in bytes.
const MaxText = 512

// Faults turns the errors of a request into those of package fault.
type Faults struct {
	context string
	Server  string // host:port
}

func newFaults(config *rest.Config, contextName string) Faults {
	f := Faults{context: contextName, Server: "unknown"}
	if u, _, err := rest.DefaultServerUrlFor(config); err == nil {
		f.Server = u.Host
	}
	return f
}

// of gives the fault behind the error of a request; errAbsent for a 404. An end of the caller's context stays what it is.
func (f Faults) of(err error, asked Question) error {
	var status *StatusError
	var big *fault.Oversized
	var failed *fault.Login
	var redirect *fault.Redirect
	var via *fault.Proxy
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return failed // before anything was sent
	case errors.Is(err, ErrAbsent):
		return ErrAbsent
	case errors.As(err, &big):
		return &fault.Oversized{Server: f.Server, Of: big.Of, Bound: big.Bound}
	case errors.As(err, &redirect):
		return &fault.Unreachable{Server: f.Server, Err: redirect}
	case errors.As(err, &status):
		return f.ofStatus(status, asked)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	if machine := fault.OfMachine(err); machine != nil {
		return machine
	}
	if errors.As(err, &via) {
		return &fault.Unreachable{Server: f.Server, Err: via}
	}
	inner := err
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		inner = urlErr.Err // the URL may hold a password, and says what was asked rather than what went wrong
	} else if !isNetwork(err) {
		inner = ErrForeign
	}
	if own := f.ofCredentials(inner); own != nil {
		return own
	}
	return &fault.Unreachable{Server: f.Server, Err: inner}
}

// ofStatus is the fault behind what the API server, or whatever answered in its place, said in place of an answer.
func (f Faults) ofStatus(status *StatusError, asked Question) error {
	switch status.code {
	case http.StatusNotFound:
		if status.foreign {
			return &fault.Unreachable{Server: f.Server, Err: ErrForeign}
		}
		return ErrAbsent
	case http.StatusUnauthorized:
		return &fault.Login{Context: f.context}
	case http.StatusForbidden:
		if status.foreign {
			return &fault.Blocked{Server: f.Server, Status: http.StatusForbidden}
		}
		return &fault.Forbidden{
			Verbs: []string{asked.Verb}, Resource: asked.Resource, Namespace: asked.Namespace, Name: asked.Name,
			Text: Excerpt(status.message),
		}
	case http.StatusBadRequest:
		if asked.Verb == "list" && !status.foreign {
			// Older ones know fewer fields to select by, and are well otherwise.
			return &fault.Unsupported{What: fmt.Sprintf("the API server cannot be asked for %s in this way", asked.Resource)}
		}
	}
	return &fault.Unreachable{Server: f.Server, Err: fmt.Errorf("it answered %d %s", status.code, Excerpt(status.reason))}
}

// ErrForeign reports that something other than the Kubernetes API answered.
var ErrForeign = errors.New("its answer is not the Kubernetes API's")

// A StatusError is what the API server says in place of what was asked for.
type StatusError struct {
	sent            int // the code of the HTTP answer
	code            int // the one in its body, else the same
	reason, message string
	foreign         bool          // it is not the Kubernetes API that says so
	after           time.Duration // the pause it asks for; 0 for none
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d %s", e.code, Excerpt(e.reason)) }

// refusalBounds are those of a Status, of which no more than a few words are kept.
var refusalBounds = jsonstream.Bounds{Bytes: 256 << 10, Elements: 1000, Memory: 64 << 10}

// readRefusal reads what is no answer to the question: a *statusError, or a *fault.Oversized.
func readRefusal(response *http.Response) error {
	r := jsonstream.NewReader(response.Body, refusalBounds, nil)
	defer r.Close()
	status := ObjectOf("Status", ReadStatus)(r)
	if errors.As(r.Err(), new(*fault.Oversized)) {
		return r.Err()
	}
	status.sent, status.after = response.StatusCode, retryafter.Of(response.StatusCode, response.Header)
	if r.Err() != nil {
		status.foreign, status.reason = true, http.StatusText(response.StatusCode)
	}
	// The words may be those of a box on the way that repeats the request.
	secrets := safetext.Credentials(response.Request.Header)
	status.reason, status.message = safetext.Line(status.reason, secrets...), safetext.Line(status.message, secrets...)
	if status.foreign || status.code == 0 {
		status.code = response.StatusCode
	}
	return &status
}

// ofCredentials finds a login that failed before anything was sent. client-go gives these errors as text only.
func (f Faults) ofCredentials(err error) error {
	text := err.Error()
	login := func(cause fault.LoginCause, reason string) error {
		return &fault.Login{Context: f.context, Cause: cause, Err: errors.New(reason)}
	}
	// A server, or a proxy before it, that turns the client certificate down ends the handshake with one of RFC 8446's alerts.
	if strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate") {
		return login(fault.LoginCertificate, "its client certificate was not accepted")
	}
	return nil
}

func isUnauthorized(err error) bool { return AnsweredWith(err, http.StatusUnauthorized) }

// AnsweredWith reports whether the API server gave a code in place of an answer.
func AnsweredWith(err error, code int) bool {
	status, ok := errors.AsType[*StatusError](err)
	return ok && status.code == code
}

// isNetwork tells the network's and TLS's errors from those of reading an answer.
func isNetwork(err error) bool {
	var netErr net.Error
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &netErr) || errors.As(err, &unknown) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// Excerpt returns the beginning of foreign text, fit for a log.
func Excerpt(s string) string {
	if len(s) > MaxText {
		s = s[:MaxText]
	}
	return printable(strings.ToValidUTF8(s, ""))
}

// printable replaces what could change the look of a terminal or a menu.
func printable(s string) string { return safetext.Clean(s) }

// IsForbidden reports whether the user lacks a right.
func IsForbidden(err error) bool {
	var forbidden *fault.Forbidden
	return errors.As(err, &forbidden)
}
