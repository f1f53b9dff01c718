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

// The steps from a kubeconfig to a program in a Pod, in their order. The first four are those of Walk, and the others those of a
// dial.
const (
	StepKubeconfig  = "kubeconfig"
	StepCredentials = "credentials"
	StepServer      = "API server"
	StepRights      = "rights"
	StepName        = "name"
	StepService     = "Service"
	StepEndpoints   = "EndpointSlice"
	StepPod         = "Pod"
	StepPort        = "port"
	StepOutside     = "outside" // in place of the steps in the cluster, for what is not in it
)

// A Step is one step from a kubeconfig to a program in a Pod, and whether it could be made.
type Step struct {
	Name   string        // one of the constants above
	Detail string        // what was found, in a few words without a full stop; printable, and without secrets
	Err    error         // why the path ends here, as a dial returns it; nil if it goes on
	Took   time.Duration // the whole step
}

// A trace reports the steps of one dial while it makes them. The dial enters a step and notes what it finds; the error that ends
// the dial belongs to the step it was in. All of that happens in the dial's goroutine. A nil trace reports nothing.
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

// enter begins a step, after reporting the one before. A step of that name of which nothing was noted goes on.
func (t *trace) enter(name string) {
	if t == nil || t.step.Name == name && t.step.Detail == "" {
		return
	}
	t.end(nil)
	t.step, t.began = Step{Name: name}, time.Now()
}

// notef adds to what was found in the current step.
func (t *trace) notef(format string, args ...any) {
	switch {
	case t == nil:
	case t.step.Detail == "":
		t.step.Detail = fmt.Sprintf(format, args...)
	default:
		t.step.Detail += "; " + fmt.Sprintf(format, args...)
	}
}

// leave enters the step out of the cluster, or goes on with it at another address. Why is noted of the step before.
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

// open notes that the connection that the current step has tried is open.
func (t *trace) open() { t.step.Detail += " is open after " + brief(time.Since(t.began)).String() }

// service notes what a Service is.
func (t *trace) service(s *objects.Service) {
	if t != nil {
		t.notef("ClusterIP %s, TCP ports %s", s.ClusterIP, orNone(s.TCPPorts()))
	}
}

// endpoints enters the step of a Service's EndpointSlices, and notes what they lead to.
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

// pod enters the step of a Pod, and looks at it, where that is allowed.
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

// port enters the step of the connection itself, to the first of some endpoints.
func (t *trace) port(to []endpoint, later int) {
	if t == nil {
		return
	}
	t.enter(StepPort)
	detail := fmt.Sprintf("port %d of Pod %s/%s", to[0].Port, to[0].Namespace, to[0].Pod)
	if others := len(to) - 1 + later; others > 0 {
		detail += fmt.Sprintf(" (or of %d others)", others)
	}
	t.notef("%s", detail)
}

// end reports the current step, if there is one.
func (t *trace) end(err error) {
	if t.step.Name == "" {
		return
	}
	t.step.Err, t.step.Took, t.step.Detail = err, time.Since(t.began), safetext.Clean(t.step.Detail)
	t.report(t.step)
	t.step = Step{}
}

// brief rounds a duration for people.
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
