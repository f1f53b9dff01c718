package kube

import (
	"context"
	"errors"
	"math/rand/v2"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// apps is the last label of a name of a workload. It is also the API group of workloads.
const apps = "apps"

// workloadOf returns the name for the labels NAME.NAMESPACE.KIND.apps. No name in a DNS has this form.
func workloadOf(labels []string) (name, bool) {
	n := len(labels)
	if n != 4 || labels[3] != apps || objects.Workloads[labels[2]] == "" {
		return name{}, false
	}
	return name{meaning: workloadName, service: labels[0], namespace: labels[1], kind: labels[2]}, true
}

// workload resolves the form NAME.NAMESPACE.KIND.apps to the Pods that the workload selects, the ready ones shuffled.
func (r *resolver) workload(ctx context.Context, n name, port int, to *resolution) error {
	if port == 0 {
		return portless(n.service)
	}
	traceOf(ctx).enter(StepPod)
	pods, err := r.podsOf(ctx, n)
	if err != nil {
		return err
	}
	to.workloads = append(to.workloads, n)
	notReady := 0
	for _, p := range pods {
		switch {
		case p.Ended() || p.Ending:
		case !p.Ready:
			notReady++
		default:
			e := p.Endpoint()
			e.Port = port
			to.pods = append(to.pods, e)
		}
	}
	if len(to.pods) == 0 {
		return &fault.NoEndpoints{Service: n.service, Namespace: n.namespace, NotReady: notReady, Detail: "no Pod of the " + objects.Workloads[n.kind] + " is ready"}
	}
	rand.Shuffle(len(to.pods), func(i, j int) { to.pods[i], to.pods[j] = to.pods[j], to.pods[i] })
	to.pods = to.pods[:min(len(to.pods), objects.MaxEndpoints)]
	return nil
}

// podsOf returns the Pods that a workload selects.
func (l *podLookup) podsOf(ctx context.Context, n name) ([]objects.Pod, error) {
	pods, _, err := l.selected.get(ctx, n, func(ctx context.Context) ([]objects.Pod, error) {
		selector, err := l.ask.WorkloadSelector(ctx, n.kind, n.namespace, n.service)
		if errors.Is(err, api.ErrAbsent) || err == nil && selector == "" {
			return nil, &fault.NotFound{Kind: fault.Kind(objects.Workloads[n.kind]), Name: n.service, Namespace: n.namespace}
		}
		if err != nil {
			return nil, err
		}
		pods, err := l.ask.PodsSelected(ctx, n.namespace, selector)
		for _, p := range pods {
			l.note(p)
		}
		return pods, err
	})
	return pods, err
}
