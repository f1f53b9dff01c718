package portforward

import (
	"fmt"
	"strings"
	"syscall"

	"fairlead/kube/fault"
)

// A CutError is a connection with a Pod that ended early, after it may have carried bytes.
type CutError struct {
	Pod, Namespace string
	Port           int
	Text           string // the container runtime's report, or empty
	Err            error  // what happened to the connection, or nil
}

func (e *CutError) Error() string {
	s := fmt.Sprintf("the connection with Pod %s/%s port %d was cut", e.Namespace, e.Pod, e.Port)
	switch {
	case e.Text != "":
		return s + ": " + e.Text
	case e.Err != nil:
		return s + ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns syscall.ECONNRESET and the cause.
func (e *CutError) Unwrap() []error {
	if e.Err == nil {
		return []error{syscall.ECONNRESET}
	}
	return []error{syscall.ECONNRESET, e.Err}
}

// runtimeError parses what a container runtime writes to a connection's error stream, which is free text. No other code
// depends on that text. neverConnected reports whether the runtime did not connect to the program in the Pod at all.
func runtimeError(ep Endpoint, text string, secrets ...string) (err error, neverConnected bool) {
	text = printable(text, secrets...)
	low := strings.ToLower(text)
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(low, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("connection refused"):
		return &fault.Refused{Pod: ep.Pod, Namespace: ep.Namespace, Port: ep.Port, Text: text}, true
	case has("failed to find sandbox", "could not find sandbox", "pod does not exist", "pod not found"):
		return &fault.NotFound{Kind: fault.Pod, Name: ep.Pod, Namespace: ep.Namespace}, true
	case has("sandbox") && has("is not running", "is not ready", "sandbox_notready"), has("network namespace for sandbox") && has("is closed"):
		return &fault.NoEndpoints{Pod: ep.Pod, Namespace: ep.Namespace, NotReady: 1, Detail: text}, true
	case has("socat not found", "nsenter not found", `exec: "socat"`, `exec: "nsenter"`):
		return &fault.Node{Pod: ep.Pod, Namespace: ep.Namespace, Problem: fault.NodeUnable, Text: text}, true
	case has("timed out waiting for streams"):
		return &CutError{Pod: ep.Pod, Namespace: ep.Namespace, Port: ep.Port, Text: text}, true
	case has("failed to connect to localhost", "failed to dial", "dial tcp"):
		return &fault.Unreachable{Server: fmt.Sprintf("Pod %s/%s port %d", ep.Namespace, ep.Pod, ep.Port), Err: fmt.Errorf("%w: %s", syscall.EHOSTUNREACH, text)}, true
	}
	return &CutError{Pod: ep.Pod, Namespace: ep.Namespace, Port: ep.Port, Text: text}, false
}
