package fault

import (
	"fmt"
	"syscall"
)

// A TunnelProblem is why a Konnectivity server makes no connection.
type TunnelProblem string

// The reasons why a Konnectivity server makes no connection.
const (
	TunnelUnusable    TunnelProblem = ""            // it cannot be reached, is not trusted, or speaks another language, as Err says
	TunnelCertificate TunnelProblem = "certificate" // it does not accept the client's certificate, or wants one
	TunnelNoAgent     TunnelProblem = "no agent"    // no agent of the cluster is connected to it, or the one it asked was lost
	TunnelBeyond      TunnelProblem = "beyond"      // the agent could not connect to the target
)

// A Tunnel is a Konnectivity server through which no connection was made.
type Tunnel struct {
	Server  string // host:port, or the path of its socket
	Problem TunnelProblem
	// Err has the words of package net and the system. For TunnelBeyond it is the agent's, about the target.
	Err error
}

func (e *Tunnel) Error() string {
	if e.Problem == TunnelBeyond {
		return fmt.Sprintf("agent of Konnectivity server %s: %v", e.Server, e.Err)
	}
	return fmt.Sprintf("Konnectivity server %s%s: %v", e.Server, prefixed(" ", string(e.Problem)), e.Err)
}

// Unwrap returns the cause. Only that of TunnelBeyond says something about the target; the others are network faults.
func (e *Tunnel) Unwrap() []error {
	if e.Problem == TunnelBeyond {
		return []error{e.Err}
	}
	return causes(syscall.ENETUNREACH, nil)
}
