package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/objects"
	"fairlead/proxy/safetext"
)

// The steps from a kubeconfig to a program in a Pod, in order. Walk makes those up to StepName, the dial the others.
const (
	StepKubeconfig   = "kubeconfig"
	StepCredentials  = "credentials"
	StepServer       = "API server"
	StepRights       = "rights"
	StepKonnectivity = "Konnectivity" // only if such a server makes the connections
	StepName         = "name"
	StepService      = "Service"
	StepEndpoints    = "EndpointSlice"
	StepPod          = "Pod"
	StepPort         = "port"
	StepDNS          = "DNS"     // of the cluster, which looks up the name of a host outside if the carrier leads there
	StepOutside      = "outside" // instead of the steps in the cluster, for a host outside
)

// A Step is one step from a kubeconfig to a program in a Pod, with its outcome.
type Step struct {
	Name   string        // one of the constants above
	Detail string        // what was found, in a few words without a full stop; printable, and without secrets
	Err    error         // why the path ends here, as a dial returns it; nil if it goes on
	Took   time.Duration // the duration of the step
}

// A trace reports the steps of one dial while the dial makes them. The dial enters each step and notes what it finds; the
// error that ends the dial belongs to the step it was in. Only the dial's goroutine uses a trace. A nil trace reports
// nothing.
type trace struct {
	report func(Step)
	step   Step
	began  time.Time
}

type traceKey struct{}

// traced returns a context whose dial reports to t.
func traced(ctx context.Context, t *trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

func traceOf(ctx context.Context) *trace {
	t, _ := ctx.Value(traceKey{}).(*trace)
	return t
}

// enter reports the current step and begins another. It does nothing if the current step has the same name and no notes.
func (t *trace) enter(name string) {
	if t == nil || t.step.Name == name && t.step.Detail == "" {
		return
	}
	t.end(nil)
	t.step, t.began = Step{Name: name}, time.Now()
}

// notef adds to the current step's detail.
func (t *trace) notef(format string, args ...any) {
	switch {
	case t == nil:
	case t.step.Detail == "":
		t.step.Detail = fmt.Sprintf(format, args...)
	default:
		t.step.Detail += "; " + fmt.Sprintf(format, args...)
	}
}

// leave enters StepOutside for an address, and notes why in the step before it. If StepOutside is the current step, only
// its address changes.
func (t *trace) leave(address, why string) {
	if t == nil {
		return
	}
	if t.step.Name != StepOutside {
		t.notef("%s", why)
		t.enter(StepOutside)
	}
	t.step.Detail = address
}

// open notes that the current step's connection is open.
func (t *trace) open() { t.step.Detail += " is open after " + brief(time.Since(t.began)).String() }

// service notes a Service's ClusterIP and ports.
func (t *trace) service(s *objects.Service) {
	if t != nil {
		t.notef("ClusterIP %s, TCP ports %s", s.ClusterIP, orNone(s.TCPPorts()))
	}
}

// endpoints enters StepEndpoints, and notes what a Service's EndpointSlices lead to.
func (t *trace) endpoints(s *objects.Service, port int, to *resolution) {
	if t == nil {
		return
	}
	t.enter(StepEndpoints)
	ready, other := s.Count()
	detail := fmt.Sprintf("%d ready, %d not, in %d EndpointSlice", ready, other, len(s.Slices))
	if len(s.Slices) != 1 {
		detail += "s"
	}
	t.notef("%s", detail)
	switch {
	case len(to.pods) > 0:
		t.notef("port %d leads to port %d of Pod %s", port, to.pods[0].Port, to.pods[0].Pod)
	case to.why != "":
		t.notef("%s", to.why)
	}
}

// pod enters StepPod, and notes a Pod's state, if the user may get it.
func (t *trace) pod(ctx context.Context, r *resolver, e endpoint) {
	if t == nil {
		return
	}
	t.enter(StepPod)
	facts, err := r.pod(ctx, objects.PodKey{Namespace: e.Namespace, Name: e.Pod})
	detail := fmt.Sprintf("%s/%s: %s on node %s", e.Namespace, e.Pod, facts.Phase, facts.Node)
	switch {
	case api.IsForbidden(err):
		detail = "may not be looked at, which a connection does not need"
	case isNotFound(err):
		detail = fmt.Sprintf("%s/%s: it is gone", e.Namespace, e.Pod)
	case err != nil:
		detail = fmt.Sprintf("%s/%s: it could not be looked at", e.Namespace, e.Pod)
	case facts.Ready:
		detail += ", ready"
	default:
		detail += ", not ready"
	}
	t.notef("%s", detail)
}

// port enters StepPort, the connection to the first of some endpoints. later is how many may be tried after them. addressed
// says that the carrier connects to their addresses.
func (t *trace) port(to []endpoint, later int, addressed bool) {
	if t == nil {
		return
	}
	t.enter(StepPort)
	detail := fmt.Sprintf("port %d of Pod %s/%s", to[0].Port, to[0].Namespace, to[0].Pod)
	if addressed && to[0].ClusterIP.IsValid() {
		detail = fmt.Sprintf("ClusterIP %s or %s", to[0].ClusterIP, detail)
	}
	if others := len(to) - 1 + later; others > 0 {
		detail += fmt.Sprintf(" (or of %d others)", others)
	}
	t.notef("%s", detail)
}

// end reports the current step, if any, with err.
func (t *trace) end(err error) {
	if t.step.Name == "" {
		return
	}
	t.step.Err, t.step.Took, t.step.Detail = err, time.Since(t.began), safetext.Clean(t.step.Detail)
	t.report(t.step)
	t.step = Step{}
}

// brief rounds a duration for display.
func brief(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
