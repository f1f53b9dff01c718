package fault

import (
	"fmt"
	"syscall"
)

// A NodeProblem says why a port-forward through a node failed.
type NodeProblem string

// The reasons why a port-forward through a node fails.
const (
	NodeUnreachable NodeProblem = "unreachable" // the API server cannot connect to it
	NodeRefuses     NodeProblem = "refuses"     // its kubelet rejects the API server's credentials, or denies it port-forwards
	NodeUnable      NodeProblem = "unable"      // it does not support port-forwards, or lacks a program that they need
	NodeFailed      NodeProblem = "failed"      // it answered with some other error
)

// A Node is a node through which a port-forward to a Pod on it failed. The API server itself was reached and accepted
// the login; it reports the problem, or passes on what the node answered.
type Node struct {
	Node      string // the node's name; empty if it is not known
	Pod       string
	Namespace string
	Problem   NodeProblem
	Status    int    // of the HTTP answer; 0 if the container runtime reported the problem
	Text      string // the text of the API server, the node or its container runtime
}

func (e *Node) Error() string {
	return fmt.Sprintf("node%s of Pod %s/%s carries no port-forward (%s)%s",
		prefixed(" ", e.Node), e.Namespace, e.Pod, e.Problem, prefixed(": ", e.Text))
}

// Unwrap returns syscall.EHOSTUNREACH.
func (e *Node) Unwrap() error { return syscall.EHOSTUNREACH }

// A Blocked is a proxy or load balancer between this machine and the API server that answers port-forwards itself.
type Blocked struct {
	Server string // the API server, as in Unreachable
	Status int    // of the HTTP answer
	Text   string // its text; may be empty
	To     string // the server that it redirects to, as in Redirect; empty for other answers
}

func (e *Blocked) Error() string {
	if e.To != "" {
		return fmt.Sprintf("something on the way to %s redirects port-forwards to %s", e.Server, e.To)
	}
	return fmt.Sprintf("something on the way to %s answers port-forwards with status %d%s", e.Server, e.Status, prefixed(": ", e.Text))
}

// Unwrap returns syscall.EHOSTUNREACH.
func (e *Blocked) Unwrap() error { return syscall.EHOSTUNREACH }
