package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// maxText bounds what is kept of the API server's own words, in bytes.
const maxText = 512

// faults turns client-go's errors into those of package fault.
type faults struct {
	context string
	server  string // host:port
	oidc    bool
}

func newFaults(config *rest.Config, contextName string) faults {
	f := faults{context: contextName, server: "unknown", oidc: config.AuthProvider != nil}
	if u, _, err := rest.DefaultServerUrlFor(config); err == nil {
		f.server = u.Host
	}
	return f
}

// of gives the fault behind the error of a request; errAbsent for a 404. An end of the caller's context stays what it is.
func (f faults) of(err error, asked question) error {
	var status apierrors.APIStatus
	var failed *fault.Login
	var redirect *fault.Redirect
	var via *fault.Proxy
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return failed // by the plugin, before anything was sent
	case errors.Is(err, errTooLarge):
		return errTooLarge
	case errors.As(err, &redirect):
		return &fault.Unreachable{Server: f.server, Err: redirect}
	case errors.As(err, &status):
		return f.ofStatus(status, asked)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	if machine := fault.OfMachine(err); machine != nil {
		return machine
	}
	if errors.As(err, &via) {
		return &fault.Unreachable{Server: f.server, Err: via}
	}
	inner := err
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		inner = urlErr.Err // the URL may hold a password, and says what was asked rather than what went wrong
	} else if !isNetwork(err) {
		inner = errForeign
	}
	if own := f.ofCredentials(inner); own != nil {
		return own
	}
	return &fault.Unreachable{Server: f.server, Err: inner}
}

// ofStatus reads an answer of the API server, or of whatever answered in its place.
func (f faults) ofStatus(err apierrors.APIStatus, asked question) error {
	status := err.Status()
	switch status.Code {
	case http.StatusNotFound:
		if isForeign(status) {
			return &fault.Unreachable{Server: f.server, Err: errForeign}
		}
		return errAbsent
	case http.StatusUnauthorized:
		return &fault.Login{Context: f.context}
	case http.StatusForbidden:
		if isForeign(status) {
			return &fault.Blocked{Server: f.server, Status: http.StatusForbidden}
		}
		return &fault.Forbidden{
			Verbs: []string{asked.verb}, Resource: asked.resource, Namespace: asked.namespace, Name: asked.name,
			Text: bounded(status.Message),
		}
	case http.StatusBadRequest:
		if asked.verb == "list" && !isForeign(status) {
			// Older ones know fewer fields to select by, and are well otherwise.
			return &fault.Unsupported{What: fmt.Sprintf("the API server cannot be asked for %s in this way", asked.resource)}
		}
	}
	return &fault.Unreachable{
		Server: f.server,
		Err:    fmt.Errorf("it answered %d %s", status.Code, bounded(string(status.Reason))),
	}
}

var errForeign = errors.New("its answer is not the Kubernetes API's")

// isForeign tells whether a status was made up by client-go for an answer that has none.
func isForeign(status metav1.Status) bool {
	return status.Details != nil && slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}

// ofCredentials finds a login that failed before anything was sent. client-go gives these errors as text only.
func (f faults) ofCredentials(err error) error {
	text := err.Error()
	login := func(cause fault.LoginCause, reason string) error {
		return &fault.Login{Context: f.context, Cause: cause, Err: errors.New(reason)}
	}
	if f.oidc && !isNetwork(err) {
		return login(fault.LoginRenewal, "its OpenID Connect login has expired and cannot be renewed")
	}
	// A server, or a proxy before it, that turns the client certificate down ends the handshake with one of RFC 8446's alerts.
	if strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate") {
		return login(fault.LoginCertificate, "its client certificate was not accepted")
	}
	return nil
}

func isUnauthorized(err error) bool { return apierrors.IsUnauthorized(err) }

// isNetwork tells the network's and TLS's errors from those of reading an answer.
func isNetwork(err error) bool {
	var netErr net.Error
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &netErr) || errors.As(err, &unknown) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// bounded makes foreign text fit for a log.
func bounded(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return printable(strings.ToValidUTF8(s, ""))
}

// printable replaces what could change the look of a terminal or a menu.
func printable(s string) string { return safetext.Clean(s) }
