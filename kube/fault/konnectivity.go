package fault

import (
	"fmt"
	"syscall"
)

// A KonnectivityProblem is why a Konnectivity server makes no connection.
type KonnectivityProblem string

// The reasons why a Konnectivity server makes no connection.
const (
	KonnectivityUnusable    KonnectivityProblem = ""            // it cannot be reached, is not trusted, or speaks another language, as Err says
	KonnectivityCertificate KonnectivityProblem = "certificate" // it does not accept the client's certificate, or wants one
	KonnectivityNoAgent     KonnectivityProblem = "no agent"    // no agent of the cluster is connected to it, or the one it asked was lost
	KonnectivityBeyond      KonnectivityProblem = "beyond"      // the agent could not connect to the target
)

// A Konnectivity is a Konnectivity server through which no connection was made.
type Konnectivity struct {
	Server  string // host:port, or the path of its socket
	Problem KonnectivityProblem
	// Err has the words of package net and the system. For KonnectivityBeyond it is the agent's, about the target.
	Err error
}

func (e *Konnectivity) Error() string {
	if e.Problem == KonnectivityBeyond {
		return fmt.Sprintf("agent of Konnectivity server %s: %v", e.Server, e.Err)
	}
	return fmt.Sprintf("Konnectivity server %s%s: %v", e.Server, prefixed(" ", string(e.Problem)), e.Err)
}

// Unwrap returns the cause. Only that of KonnectivityBeyond says something about the target; the others are network faults.
func (e *Konnectivity) Unwrap() []error {
	if e.Problem == KonnectivityBeyond {
		return []error{e.Err}
	}
	return causes(syscall.ENETUNREACH, nil)
}
