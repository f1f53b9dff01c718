package kube

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/fault"
	"fairlead/proxy/upstream"
)

// kubeconfig returns where the context is defined. Open has checked that it can be used.
func (w *walk) kubeconfig(context.Context) (string, error) {
	w.trace.enter(StepKubeconfig)
	c := w.cluster.described
	if c.File == "" {
		return "none is used: namespace " + w.cluster.Namespace(), nil
	}
	return fmt.Sprintf("%s: cluster %s, user %s, namespace %s", c.File, c.Cluster, c.User, w.cluster.Namespace()), nil
}

// credentials logs in, and returns the kind of the login.
func (w *walk) credentials(ctx context.Context) (string, error) {
	w.trace.enter(StepCredentials)
	l := w.cluster.api.Login
	detail := l.Kind()
	l.Retry()
	if err := l.Ensure(ctx); err != nil {
		return detail, err
	}
	expires := l.Expires()
	if expires.IsZero() {
		return detail, nil
	}
	// Only the API server decides whether they are valid, by its own clock: the next step asks it.
	until := "valid until"
	if expires.Before(time.Now()) {
		until = "expired by this machine's clock at"
	}
	return fmt.Sprintf("%s, %s %s", detail, until, expires.Local().Format("2006-01-02 15:04:05")), nil
}

// server asks the API server for its version on a new connection, and returns how long making the connection took.
func (w *walk) server(ctx context.Context) (string, error) {
	w.trace.enter(StepServer)
	a := w.cluster.api
	var t timings
	version, err := w.version(ctx, &t)
	parts := []string{a.Faults.Server}
	if via, err := a.ForwardProxy(ctx); err == nil && via != nil {
		parts = append(parts, "through the proxy "+upstream.Address(via))
	}
	parts = append(parts, t.list()...)
	if version != "" {
		parts = append(parts, "Kubernetes "+api.Excerpt(version))
	}
	return strings.Join(parts, ", "), err
}

// maxVersions bounds how often the version is asked for, until a new connection has the question.
const maxVersions = 5

// version asks the API server for its version on a new connection. A question that is under way may end while that
// connection is made, and net/http gives its connection to the question that waits.
func (w *walk) version(ctx context.Context, t *timings) (version string, err error) {
	traced := httptrace.WithClientTrace(ctx, t.trace())
	for range maxVersions {
		w.cluster.api.CloseIdle()
		if version, err = w.cluster.api.Version(traced); err != nil || !t.reused.Load() {
			break
		}
	}
	return version, err
}

// timings records how long the parts of making a connection take.
type timings struct {
	mu     sync.Mutex
	began  map[string]time.Time
	took   map[string]time.Duration
	reused atomic.Bool // the last question had a connection that was there already
}

func (t *timings) begin(part string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began == nil {
		t.began, t.took = map[string]time.Time{}, map[string]time.Duration{}
	}
	t.began[part] = time.Now()
}

func (t *timings) end(part string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took[part] = time.Since(t.began[part])
}

// list returns what is known, in the order in which a connection is made.
func (t *timings) list() (parts []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, part := range []string{"DNS", "TCP", "TLS"} {
		if took, there := t.took[part]; there {
			parts = append(parts, fmt.Sprintf("%s %s", part, brief(took)))
		}
	}
	return parts
}

func (t *timings) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:      func(got httptrace.GotConnInfo) { t.reused.Store(got.Reused) },
		DNSStart:     func(httptrace.DNSStartInfo) { t.begin("DNS") },
		DNSDone:      func(httptrace.DNSDoneInfo) { t.end("DNS") },
		ConnectStart: func(string, string) { t.begin("TCP") },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				t.end("TCP")
			}
		},
		TLSHandshakeStart: func() { t.begin("TLS") },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				t.end("TLS")
			}
		},
	}
}

// The rights that dials need, without their namespaces.
var (
	getServices   = api.Right{Verb: "get", Resource: "services"}
	listSlices    = api.Right{Verb: "list", Group: "discovery.k8s.io", Resource: "endpointslices"}
	getPods       = api.Right{Verb: "get", Resource: "pods"}
	createForward = api.Right{Verb: "create", Resource: "pods", Subresource: "portforward"}
	getForward    = api.Right{Verb: "get", Resource: "pods", Subresource: "portforward"}
)

// rights returns which of the rights that a dial needs the user has.
func (w *walk) rights(ctx context.Context) (string, error) {
	w.trace.enter(StepRights)
	namespace, of := w.cluster.Namespace(), serviceName
	if w.host != nil {
		n := w.host.name
		if completed, err := w.cluster.resolver.complete(ctx, n); err == nil {
			n = completed // a later step reports the error
		}
		namespace, of = cmp.Or(n.namespace, namespace), n.meaning
	}
	where := "in namespace " + namespace
	asked := []api.Right{getServices, listSlices, createForward, getForward}
	if w.cluster.ownCarrier {
		asked = []api.Right{getServices, listSlices, getPods}
	}
	has, err := w.cluster.api.MayEach(ctx, namespace, asked...)
	if err != nil {
		return where, err
	}
	noService := of != serviceName && of != memberName
	switch {
	case !has[getServices] && !noService:
		return where, &fault.Forbidden{Verbs: []string{"get"}, Resource: "services", Namespace: namespace}
	case !has[listSlices] && !noService:
		return where, &fault.Forbidden{Verbs: []string{"list"}, Resource: "endpointslices.discovery.k8s.io", Namespace: namespace}
	case w.cluster.ownCarrier && of == podName && !has[getPods]:
		return where, &fault.Forbidden{Verbs: []string{"get"}, Resource: "pods", Namespace: namespace}
	case w.cluster.ownCarrier && of == podName:
		return "get pods " + where, nil
	case w.cluster.ownCarrier && noService:
		return "none " + where, nil
	case w.cluster.ownCarrier:
		return "get services, list endpointslices " + where, nil
	case !has[createForward] && !has[getForward]:
		return where, &fault.Forbidden{Verbs: []string{"get", "create"}, Resource: "pods/portforward", Namespace: namespace}
	}
	detail := "get services, list endpointslices, port-forward to Pods " + where
	if noService {
		detail = "port-forward to Pods " + where
	}
	switch {
	case !has[createForward]:
		detail += " (by get alone: through WebSockets only)"
	case !has[getForward]:
		detail += " (by create alone: through SPDY only)"
	}
	return detail, nil
}

// probe checks a carrier that needs more than the API server. It makes the step once, and none for other carriers.
func (w *walk) probe(ctx context.Context) (string, error) {
	prober, ok := w.cluster.carrier.(carrier.Prober)
	if !ok || w.probed {
		return "", nil
	}
	w.probed = true
	w.trace.enter(StepKonnectivity)
	return prober.Probe(ctx)
}
