package portforward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/retryafter"
	"fairlead/proxy/safetext"
)

// A responder is the origin of the answer to an upgrade. The API server passes the answers of nodes on byte for byte,
// and proxies on the route answer in its place.
type responder int

const (
	intermediary responder = iota // a proxy or load balancer before the API server
	node                          // the Pod's node, or the API server about it
	apiServer                     // the API server itself
)

// A refusal is an HTTP answer that is not the upgrade.
type refusal struct {
	status     int
	text       string // the responder's message
	by         responder
	problem    fault.NodeProblem // when by is node
	about      status            // when by is apiServer
	retryAfter time.Duration     // the pause it asks for; 0 for none
	redirect   string            // the server that it redirects to; empty for other answers
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the upgrade is answered with %d %s: %s", r.status, http.StatusText(r.status), r.text)
}

// final reports whether another protocol would get the same answer.
func (r *refusal) final() bool {
	switch r.by {
	case apiServer:
		return r.status == http.StatusUnauthorized || r.status == http.StatusNotFound
	case node:
		return r.problem == fault.NodeUnreachable || r.problem == fault.NodeRefuses
	}
	return false
}

// maxText limits what is kept of a text from outside.
const maxText = 1 << 10

// A status is the part of a Kubernetes Status that is used here.
type status struct {
	Kind, Message string
	Details       struct{ Name, Kind string }
}

// newRefusal parses an answer, and finds its origin. It keeps none of the secrets, which the answer may repeat:
// middleboxes show requests in their error pages.
func newRefusal(code int, header http.Header, body []byte, secrets ...string) *refusal {
	r := &refusal{status: code, retryAfter: retryafter.Of(code, header)}
	if r.redirect = printable(redirectOf(code, header), secrets...); r.redirect != "" {
		return r // its origin does not matter, and its text is about another server
	}
	var s status
	if json.Unmarshal(body, &s) == nil && s.Kind == "Status" {
		s.Details.Name = printable(s.Details.Name, secrets...)
		r.by, r.about, r.text = apiServer, s, printable(s.Message, secrets...)
		if problem, ok := nodeStatus(code, s); ok {
			r.by, r.problem = node, problem
		}
		return r
	}
	if kind := header.Get("Content-Type"); kind != "" && !strings.HasPrefix(kind, "text/plain") {
		return r
	}
	r.text = printable(string(body), secrets...)
	if problem, ok := nodeAnswer(code, r.text); ok {
		r.by, r.problem = node, problem
	}
	return r
}

// redirectOf returns the server that a redirect leads to; empty for other answers. No redirect is followed, since
// credentials would go with it.
func redirectOf(code int, header http.Header) string {
	if code < http.StatusMultipleChoices || code >= http.StatusBadRequest {
		return ""
	}
	location, err := url.Parse(header.Get("Location"))
	if err != nil || location.Host == "" {
		return ""
	}
	return fault.NewRedirect(location).To
}

// nodeStatus recognizes a Status of the API server about a failure at the node.
func nodeStatus(code int, s status) (fault.NodeProblem, bool) {
	switch text := strings.ToLower(s.Message); {
	case strings.Contains(text, "unable to upgrade connection"), strings.Contains(text, "user=kube-apiserver"):
		if strings.Contains(text, "forbidden (user=") || strings.Contains(text, "unauthorized") {
			return fault.NodeRefuses, true
		}
		return fault.NodeFailed, !isAboutPod(text)
	case strings.Contains(text, "error dialing backend"), strings.Contains(text, "no preferred addresses found"):
		return fault.NodeUnreachable, true
	case strings.Contains(text, "invalid upgrade response"):
		return fault.NodeUnable, true
	case code == http.StatusNotFound && s.Details.Kind == "nodes":
		return fault.NodeUnreachable, true // the Pod is bound to a node that is gone
	}
	return "", false
}

// nodeAnswer recognizes the answers of kubelets and virtual nodes, all of them plain text.
func nodeAnswer(code int, text string) (fault.NodeProblem, bool) {
	low := strings.ToLower(text)
	switch code {
	case http.StatusUnauthorized:
		return fault.NodeRefuses, low == "unauthorized"
	case http.StatusForbidden:
		return fault.NodeRefuses, strings.HasPrefix(low, "forbidden (user=")
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return fault.NodeUnable, true
	case http.StatusInternalServerError:
		return fault.NodeFailed, true
	}
	return "", false
}

// isAboutPod reports whether a text, in lower case, is about the Pod rather than its node.
func isAboutPod(text string) bool {
	return podAbsent(text) || podNotRunning(text)
}

// podAbsent reports whether a text, in lower case, says that the Pod does not exist.
func podAbsent(text string) bool {
	return strings.Contains(text, "pod does not exist") || strings.Contains(text, "pod not found")
}

// podNotRunning reports whether a text, in lower case, says that the Pod does not run.
func podNotRunning(text string) bool {
	return strings.Contains(text, "not running") || strings.Contains(text, "does not have a host assigned") || strings.Contains(text, "completed pod")
}

// printable returns a text from outside in a form that is fit for a log line, without the secrets. Everything that is
// kept of what comes from behind the API server passes through it, or through safetext.Error.
func printable(s string, secrets ...string) string {
	if s = safetext.Line(s, secrets...); len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// explain returns one error of package fault for the errors of the protocols.
func (u *upgrader) explain(ctx context.Context, ep Endpoint, errs []error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("port-forward to Pod %s/%s: %w", ep.Namespace, ep.Pod, err)
	}
	best, rank := errs[0], -1
	for _, err := range errs {
		if r := weight(err); r > rank {
			best, rank = err, r
		}
	}
	var refused *refusal
	if errors.As(best, &refused) {
		return u.faultOf(ep, refused)
	}
	var login *fault.Login
	if errors.As(best, &login) {
		return login
	}
	if machine := fault.OfMachine(best); machine != nil {
		return machine
	}
	if big, ok := errors.AsType[*fault.Oversized](best); ok {
		return &fault.Oversized{Server: u.route.base.Host, Of: big.Of, Bound: big.Bound}
	}
	if network := new(networkError); errors.As(best, &network) {
		if credential := new(credentialError); errors.As(best, &credential) {
			return &fault.Login{Plugin: u.plugin, Context: u.context, Err: credential.err}
		}
		return &fault.Unreachable{Server: u.route.base.Host, Err: network.err}
	}
	return &fault.Login{Plugin: u.plugin, Context: u.context, Err: best}
}

// weight ranks the errors of protocols by how much they say.
func weight(err error) int {
	var refused *refusal
	if !errors.As(err, &refused) {
		return 1
	}
	w := map[int]int{http.StatusUnauthorized: 5, http.StatusNotFound: 4, http.StatusForbidden: 3}[refused.status]
	return w + 10*int(refused.by)
}

// faultOf returns the error of package fault for a refusal.
func (u *upgrader) faultOf(ep Endpoint, r *refusal) error {
	text := strings.ToLower(r.text)
	switch {
	case r.redirect != "":
		return &fault.Blocked{Server: u.route.base.Host, Status: r.status, To: r.redirect}
	case r.by != intermediary && podNotRunning(text):
		return &fault.NoEndpoints{Pod: ep.Pod, Namespace: ep.Namespace, NotReady: 1, Detail: r.text}
	case r.by != intermediary && podAbsent(text):
		return &fault.NotFound{Kind: fault.Pod, Name: ep.Pod, Namespace: ep.Namespace}
	case r.by == node:
		return &fault.Node{Node: nodeOf(r), Pod: ep.Pod, Namespace: ep.Namespace, Problem: r.problem, Status: r.status, Text: r.text}
	case r.retryAfter > 0:
		return &fault.Unreachable{Server: u.route.base.Host, Err: &fault.Busy{Status: r.status, After: r.retryAfter}}
	case r.by == intermediary && r.status < http.StatusInternalServerError:
		return &fault.Blocked{Server: u.route.base.Host, Status: r.status, Text: r.text}
	case r.by == intermediary:
		return &fault.Unreachable{Server: u.route.base.Host, Err: r}
	}
	switch r.status {
	case http.StatusUnauthorized:
		return &fault.Login{Context: u.context, Err: r}
	case http.StatusForbidden:
		return &fault.Forbidden{Verbs: []string{"get", "create"}, Resource: "pods/portforward", Namespace: ep.Namespace, Name: ep.Pod, Text: r.text}
	case http.StatusNotFound:
		if r.about.Details.Kind == "namespaces" {
			return &fault.NotFound{Kind: fault.Namespace, Name: ep.Namespace}
		}
		return &fault.NotFound{Kind: fault.Pod, Name: ep.Pod, Namespace: ep.Namespace}
	}
	return &fault.Unreachable{Server: u.route.base.Host, Err: r}
}

// nodeOf returns the node that an answer names; empty if it names none.
func nodeOf(r *refusal) string {
	if r.about.Details.Kind == "nodes" {
		return r.about.Details.Name
	}
	return ""
}
