package konnectivity

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// refusal returns the error of a server that made no connection. text is the server's, or that of its
// agent's dial in Go.
func refusal(server string, status int, text string) error {
	text = safetext.Line(strings.TrimSpace(text))
	e := &fault.Konnectivity{Server: server, Problem: fault.KonnectivityBeyond, Err: &answer{text: text, cause: causeOf(text)}}
	switch said := strings.ToLower(text); {
	case text == "":
		e.Err = fmt.Errorf("it answered CONNECT with %d %s", status, http.StatusText(status))
		e.Problem = fault.KonnectivityUnusable
	case strings.Contains(said, "no tunnels available"), strings.Contains(said, "no agent available"), strings.Contains(said, "no backend available"):
		e.Problem, e.Err = fault.KonnectivityNoAgent, &answer{text: text}
	case strings.HasPrefix(said, "backend context error"), strings.HasPrefix(said, "failed to tunnel dial request"):
		e.Problem, e.Err = fault.KonnectivityNoAgent, &answer{text: text} // the agent was lost while it was asked
	case status/100 == 4 && !strings.Contains(said, "dial "), strings.Contains(said, "only supports connect"):
		e.Problem, e.Err = fault.KonnectivityUnusable, &answer{text: text}
	}
	return e
}

// An answer is the text of a server or an agent. It unwraps to the error that the text stands for.
type answer struct {
	text  string
	cause error // may be nil
}

func (a *answer) Error() string { return a.text }

// Unwrap returns the cause.
func (a *answer) Unwrap() error { return a.cause }

// causeOf returns the error of package net or the system that an agent's text stands for. The text is that of an error of
// package net: "dial tcp 10.0.0.1:80: connect: connection refused".
func causeOf(text string) error {
	ends := func(suffix string) bool { return strings.HasSuffix(strings.TrimRight(text, " ."), suffix) }
	switch {
	case ends("connection refused"):
		return syscall.ECONNREFUSED
	case ends("no such host"):
		return &net.DNSError{Err: "no such host", Name: lookedUp(text), IsNotFound: true}
	case ends("i/o timeout"), ends("connection timed out"), ends("deadline exceeded"):
		return os.ErrDeadlineExceeded
	case ends("network is unreachable"):
		return syscall.ENETUNREACH
	case ends("connection reset by peer"):
		return syscall.ECONNRESET
	case text == "":
		return nil
	}
	return syscall.EHOSTUNREACH
}

// lookedUp returns the name in "lookup NAME on SERVER: no such host".
func lookedUp(text string) string {
	_, after, _ := strings.Cut(text, "lookup ")
	name, _, _ := strings.Cut(after, " ")
	return strings.TrimSuffix(name, ":")
}
