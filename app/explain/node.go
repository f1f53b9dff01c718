package explain

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"fairlead/kube/fault"
)

// node explains a node that does not carry a port-forward. Pods on other nodes can still be reached.
func node(e *fault.Node) words {
	pod := fmt.Sprintf("Pod %s/%s", name(e.Namespace), name(e.Pod))
	which := "The node of " + pod
	if e.Node != "" {
		which = fmt.Sprintf("Node %s of %s", name(e.Node), pod)
	}
	x := words{title: "Node out of order", hint: "Tell the cluster's administrator; the rest of the cluster can be reached."}
	if simple(e.Node) {
		x.hint = fmt.Sprintf("Look at the node: \u201ckubectl describe node %s\u201d. The rest of the cluster can be reached.", e.Node)
	}
	switch e.Problem {
	case fault.NodeUnreachable:
		x.title = "Node unreachable"
		x.sentence = fmt.Sprintf("%s cannot be reached by the API server.", which)
	case fault.NodeRefuses:
		x.sentence = fmt.Sprintf("%s refuses the API server's own login, so no port-forward gets there.", which)
		x.hint = "The cluster's administrator has to repair how the API server logs in to that node; your own login is accepted."
	case fault.NodeUnable:
		x.title = "No port-forward there"
		x.sentence = fmt.Sprintf("%s has no port-forward%s.", which, quoted(e.Text))
		x.hint = "Virtual nodes, such as Fargate's, have none, and some nodes lack the program for it: use a Pod on another node, or another way in."
	default:
		x.sentence = fmt.Sprintf("%s could not carry the connection%s.", which, quoted(e.Text))
	}
	return x
}

// quoted returns a text from elsewhere, in parentheses.
func quoted(text string) string {
	if text = fragment(text); text != "" {
		return " (" + text + ")"
	}
	return ""
}

func blocked(e *fault.Blocked) words {
	if e.To != "" {
		return words{
			title:    "Port-forward blocked",
			sentence: fmt.Sprintf("Something on the way to the API server %s redirects port-forwards to %s, which is not followed.", name(e.Server), name(e.To)),
			hint:     "Ask those who run that proxy or load balancer to pass WebSocket upgrades on.",
		}
	}
	answer := fmt.Sprint(e.Status)
	if text := http.StatusText(e.Status); text != "" {
		answer += " " + text
	}
	return words{
		title:    "Port-forward blocked",
		sentence: fmt.Sprintf("Something on the way to the API server %s does not let port-forwards through: it answered %s.", name(e.Server), answer),
		hint:     "Ask those who run that proxy or load balancer to pass WebSocket upgrades on.",
	}
}

// isBusy reports whether an API server has asked for fewer requests.
func isBusy(e *fault.Unreachable) bool {
	_, ok := errors.AsType[*fault.Busy](e.Err)
	return ok
}

func busy(e *fault.Unreachable) words {
	cause, _ := errors.AsType[*fault.Busy](e.Err)
	return words{
		title:    "API server busy",
		sentence: fmt.Sprintf("The API server %s takes no requests just now, and asks to wait %v.", name(e.Server), cause.After.Round(time.Second)),
		hint:     "Try again then; if it lasts, tell the cluster's administrator.",
	}
}
