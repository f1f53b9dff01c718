// Package fault has types for what can go wrong on the way into a cluster. Each type keeps the facts of its cause
// (which Service, which verb, which server) and unwraps to the error that package net and the system have for it, so
// that a caller that knows no Kubernetes still understands it:
//
//	NotFound      *net.DNSError with IsNotFound
//	NoEndpoints   syscall.EHOSTUNREACH
//	Refused       syscall.ECONNREFUSED
//	Forbidden     fs.ErrPermission
//	MissingRights fs.ErrPermission
//	Denied        fs.ErrPermission
//	HostNetwork   fs.ErrPermission
//	Login         fs.ErrPermission
//	Unreachable   the network's error, and syscall.EHOSTUNREACH
//	Node          syscall.EHOSTUNREACH
//	Blocked       syscall.EHOSTUNREACH
//	Konnectivity  syscall.ENETUNREACH, or what the agent reports of the target
//	Machine       the system's error
//	Oversized     syscall.EMSGSIZE
//	Unsupported   errors.ErrUnsupported
//
// A dial that timed out wraps context.DeadlineExceeded as usual. The package has no sentences for users, which are in
// the desktop program.
package fault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Ended reports whether an error means no more than that the other end closed the connection.
func Ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

// A Kind is the kind of thing that was not found.
type Kind string

// The kinds of things a target can name.
const (
	Service   Kind = "Service"
	Pod       Kind = "Pod"
	Port      Kind = "port"
	Namespace Kind = "Namespace"
	Address   Kind = "address"
	Name      Kind = "name" // a host that ends like the cluster's names, and is none of them
)

// A NotFound is a target that names something that the cluster does not have.
type NotFound struct {
	Kind      Kind
	Name      string   // of the Service, Pod or Namespace; the address for Address, the host for Name; the requested number or name if Kind is Port
	Namespace string   // empty for Namespace, Address and Name
	Service   string   // the Service that lacks the port; only if Kind is Port
	Has       []string // the ports that the Service has, such as "80 (http)"; only if Kind is Port

	// Of a Service that does not exist: what may have been meant, as far as the user may see it.
	Elsewhere []string // namespaces that have a Service of that name
	Near      []string // names of Services in its namespace, the likeliest first
}

func (e *NotFound) Error() string {
	switch e.Kind {
	case Port:
		return fmt.Sprintf("Service %s/%s has no TCP port %s (it has %s)", e.Namespace, e.Service, e.Name, orNone(e.Has))
	case Namespace, Address, Name:
		return fmt.Sprintf("no %s %s in the cluster", e.Kind, e.Name)
	}
	return fmt.Sprintf("no %s %s in namespace %s", e.Kind, e.Name, e.Namespace)
}

// Unwrap returns a *net.DNSError with IsNotFound set.
func (e *NotFound) Unwrap() error {
	return &net.DNSError{Err: "no such host", Name: e.Name, IsNotFound: true}
}

// A NoEndpoints is a Service, or a Pod, behind which nothing is ready.
type NoEndpoints struct {
	Service   string
	Pod       string // set instead of Service if a Pod was the target
	Namespace string
	NotReady  int    // how many endpoints there are, none of them ready
	Detail    string // what else is known; may be empty
}

func (e *NoEndpoints) Error() string {
	what := "Service " + e.Namespace + "/" + e.Service
	if e.Pod != "" {
		what = "Pod " + e.Namespace + "/" + e.Pod
	}
	return fmt.Sprintf("%s has no ready endpoint (%d not ready)%s", what, e.NotReady, prefixed(": ", e.Detail))
}

// Unwrap returns syscall.EHOSTUNREACH.
func (e *NoEndpoints) Unwrap() error { return syscall.EHOSTUNREACH }

// A Refused is a port of a Pod on which nothing listens, as the container runtime reported.
type Refused struct {
	Pod       string
	Namespace string
	Port      int
	Text      string // the runtime's own words, for the log
}

func (e *Refused) Error() string {
	return fmt.Sprintf("Pod %s/%s refused port %d", e.Namespace, e.Pod, e.Port)
}

// Unwrap returns syscall.ECONNREFUSED.
func (e *Refused) Unwrap() error { return syscall.ECONNREFUSED }

// A Forbidden is a right that the context's user does not have (HTTP 403 from the API server).
type Forbidden struct {
	Verbs     []string // any or all of which are needed: "get", "create"
	Resource  string   // "services", "pods/portforward"
	Namespace string
	Name      string // may be empty
	Text      string // the API server's own words
}

func (e *Forbidden) Error() string {
	return fmt.Sprintf("forbidden: %s %s in namespace %q", strings.Join(e.Verbs, "+"), e.Resource, e.Namespace)
}

// Unwrap returns fs.ErrPermission.
func (e *Forbidden) Unwrap() error { return fs.ErrPermission }

// A HostNetwork is a Pod on its node's network, which may not be dialled: a port-forward to it reaches the node's own
// localhost, and whatever listens there.
type HostNetwork struct {
	Pod       string
	Namespace string
	Node      string // may be empty
}

func (e *HostNetwork) Error() string {
	return fmt.Sprintf("Pod %s/%s shares the network of its node%s", e.Namespace, e.Pod, prefixed(" ", e.Node))
}

// Unwrap returns fs.ErrPermission.
func (e *HostNetwork) Unwrap() error { return fs.ErrPermission }

// An Unreachable is an API server, or the path from it to a node, that does not answer.
type Unreachable struct {
	Server string // the API server as host:port or URL, never with credentials; or what is behind it: "Pod shop/web-0 port 80"
	Err    error
}

func (e *Unreachable) Error() string {
	if e.Err == nil {
		return "cannot reach " + e.Server
	}
	return fmt.Sprintf("cannot reach %s: %v", e.Server, e.Err)
}

// Unwrap returns the cause and syscall.EHOSTUNREACH.
func (e *Unreachable) Unwrap() []error { return causes(syscall.EHOSTUNREACH, e.Err) }

// A Busy is the cause of an Unreachable: the API server has too much to do, and asked for a pause.
type Busy struct {
	Status int // of the HTTP answer
	After  time.Duration
}

func (e *Busy) Error() string {
	return fmt.Sprintf("it answered %d, and asks for %v of patience", e.Status, e.After)
}

// A Redirect is the cause of an Unreachable: the API server, or something in its place, redirects requests to another
// server. They are not sent there, since credentials would go with them.
type Redirect struct {
	To string // scheme, host and port of the other server
}

// NewRedirect returns the Redirect for a Location, of which it keeps nothing that may be secret.
func NewRedirect(location *url.URL) *Redirect {
	return &Redirect{To: (&url.URL{Scheme: location.Scheme, Host: location.Host}).String()}
}

func (e *Redirect) Error() string { return "it redirects to " + e.To }

// A ProxySource is where a forward proxy is set.
type ProxySource string

// Where a forward proxy can be set.
const (
	ProxySettings    ProxySource = "settings"    // api-proxy
	ProxyKubeconfig  ProxySource = "kubeconfig"  // the cluster's proxy-url
	ProxyEnvironment ProxySource = "environment" // HTTPS_PROXY and the like
)

// A ProxyProblem is why a forward proxy does not connect.
type ProxyProblem string

// The reasons why a forward proxy does not connect.
const (
	ProxyUnusable ProxyProblem = ""       // it cannot be reached, is not trusted, or has another protocol, as Err says
	ProxyLogin    ProxyProblem = "login"  // it needs other credentials than it got
	ProxyDenies   ProxyProblem = "denies" // it does not connect to this server
	ProxyBeyond   ProxyProblem = "beyond" // it reports that it cannot reach the server
)

// A Proxy is the cause of an Unreachable: the forward proxy on the route to the API server, which did not connect to
// it.
type Proxy struct {
	Proxy   string // host:port, never with credentials
	Source  ProxySource
	Problem ProxyProblem
	Err     error
}

func (e *Proxy) Error() string { return fmt.Sprintf("proxy %s: %v", e.Proxy, e.Err) }

// Unwrap returns the reason.
func (e *Proxy) Unwrap() error { return e.Err }

// A Measure is what is limited of an answer.
type Measure string

// The measures of an answer.
const (
	Bytes    Measure = "bytes"
	Elements Measure = "elements in one list"
	Memory   Measure = "bytes of memory"
	Depth    Measure = "nested levels"
	Fields   Measure = "header fields"
)

// An Oversized is an answer of the API server, or of something in its place, that exceeds a limit which the answers of
// a cluster stay far below. The rest of it was not read.
type Oversized struct {
	Server string // the API server, as in Unreachable
	Of     Measure
	Bound  int64
}

func (e *Oversized) Error() string {
	return fmt.Sprintf("an answer of the API server%s has more than %d %s", prefixed(" ", e.Server), e.Bound, e.Of)
}

// Unwrap returns syscall.EMSGSIZE.
func (e *Oversized) Unwrap() error { return syscall.EMSGSIZE }

// An Unsupported is a target that exists and cannot be carried: a UDP port, an endpoint that is no Pod.
type Unsupported struct {
	What string // "port 53 of Service kube-system/dns is UDP only"
}

func (e *Unsupported) Error() string { return e.What }

// Unwrap returns errors.ErrUnsupported.
func (e *Unsupported) Unwrap() error { return errors.ErrUnsupported }

// causes returns an error of package net or the system, after its cause if there is one.
func causes(word, cause error) []error {
	if cause == nil {
		return []error{word}
	}
	return []error{cause, word}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
