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

// MaxText bounds what an error quotes of an API server's text, in bytes.
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

// from returns the fault for the error of a request, ErrAbsent for a 404 of the Kubernetes API, and context.Canceled for
// a cancelled request.
func (f Faults) from(err error, asked Question) error {
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
		return f.fromStatus(status, asked)
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
		inner = urlErr.Err // without the URL, which may hold a password and does not say what went wrong
	} else if !isNetwork(err) {
		inner = ErrForeign
	}
	if login := f.fromHandshake(inner); login != nil {
		return login
	}
	return &fault.Unreachable{Server: f.Server, Err: inner}
}

// fromStatus returns the fault for a StatusError.
func (f Faults) fromStatus(status *StatusError, asked Question) error {
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
			// Older API servers support fewer field selectors; everything else works.
			return &fault.Unsupported{What: fmt.Sprintf("the API server cannot be asked for %s in this way", asked.Resource)}
		}
	}
	return &fault.Unreachable{Server: f.Server, Err: fmt.Errorf("it answered %d %s", status.code, Excerpt(status.reason))}
}

// ErrForeign reports that something other than the Kubernetes API answered.
var ErrForeign = errors.New("its answer is not the Kubernetes API's")

// A StatusError is the API server's refusal of a request, or the answer of something else in its place.
type StatusError struct {
	httpCode        int // the status code of the HTTP answer
	code            int // the code in its body; without one, httpCode
	reason, message string
	foreign         bool          // it does not come from the Kubernetes API
	after           time.Duration // of its Retry-After; 0 for none
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d %s", e.code, Excerpt(e.reason)) }

// refusalBounds are the limits for a Status, of which only a short text is kept.
var refusalBounds = jsonstream.Bounds{Bytes: 256 << 10, Elements: 1000, Memory: 64 << 10}

// readRefusal reads the body of an answer that refuses a request. It returns a *StatusError, or a *fault.Oversized if the
// body is too large.
func readRefusal(response *http.Response) error {
	r := jsonstream.NewReader(response.Body, refusalBounds, nil)
	defer r.Close()
	status := ObjectOf("Status", ReadStatus)(r)
	if errors.As(r.Err(), new(*fault.Oversized)) {
		return r.Err()
	}
	status.httpCode, status.after = response.StatusCode, retryafter.Of(response.StatusCode, response.Header)
	if r.Err() != nil {
		status.foreign, status.reason = true, http.StatusText(response.StatusCode)
	}
	// A proxy or load balancer on the way may repeat the request's headers in its answer.
	secrets := safetext.Credentials(response.Request.Header)
	status.reason, status.message = safetext.Line(status.reason, secrets...), safetext.Line(status.message, secrets...)
	if status.foreign || status.code == 0 {
		status.code = response.StatusCode
	}
	return &status
}

// fromHandshake returns a *fault.Login if the server, or a proxy before it, ended the TLS handshake with an alert about the
// client certificate (RFC 8446, section 6.2), and nil otherwise. These errors are known only by their text.
func (f Faults) fromHandshake(err error) error {
	if text := err.Error(); strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate") {
		return &fault.Login{
			Context: f.context, Cause: fault.LoginCertificate, Err: errors.New("its client certificate was not accepted"),
		}
	}
	return nil
}

func isUnauthorized(err error) bool { return AnsweredWith(err, http.StatusUnauthorized) }

// AnsweredWith reports whether err is a *StatusError with the given code.
func AnsweredWith(err error, code int) bool {
	status, ok := errors.AsType[*StatusError](err)
	return ok && status.code == code
}

// isNetwork reports whether err is an error of the network or of TLS, rather than of reading an answer.
func isNetwork(err error) bool {
	var netErr net.Error
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &netErr) || errors.As(err, &unknown) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// Excerpt returns the beginning of text from outside, safe for a log.
func Excerpt(s string) string {
	if len(s) > MaxText {
		s = s[:MaxText]
	}
	return safetext.Clean(strings.ToValidUTF8(s, ""))
}

// IsForbidden reports whether err says that the user lacks a right.
func IsForbidden(err error) bool {
	var forbidden *fault.Forbidden
	return errors.As(err, &forbidden)
}
