package kube

import (
	"context"
	"errors"
	"math/rand/v2"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// networkOf returns the network of a Pod.
func networkOf(facts objects.Pod) network {
	if facts.HostNetwork {
		return hostNetwork
	}
	return ownNetwork
}

// ownerOf returns the owner that stands for a Pod's addresses.
func ownerOf(facts objects.Pod) owner {
	return owner{pod: facts.Endpoint(), hostNetwork: facts.HostNetwork}
}

// pod asks for a Pod by its name.
func (l *podLookup) pod(ctx context.Context, key objects.PodKey) (objects.Pod, error) {
	facts, _, err := l.pods.get(ctx, key, func(ctx context.Context) (objects.Pod, error) {
		facts, err := l.ask.Pod(ctx, key.Namespace, key.Name)
		if errors.Is(err, api.ErrAbsent) {
			return objects.Pod{}, &fault.NotFound{Kind: fault.Pod, Name: key.Name, Namespace: key.Namespace}
		}
		if err != nil {
			return objects.Pod{}, err
		}
		facts.Key = key // whatever its metadata says
		l.note(facts)
		return facts, nil
	})
	return facts, err
}

// note records what else the answer about a Pod shows: that its namespace is in use, its network and its addresses.
func (l *podLookup) note(facts objects.Pod) {
	l.namespaces.used(facts.Key.Namespace)
	l.networks.note(facts)
	if !facts.HostNetwork && !facts.Ended() {
		l.seen.addPod(facts.Key, facts.Addresses)
	}
}

// namedPod resolves the form NAME.NAMESPACE.pod. If the user may not get the Pod, the port-forward finds out whether it
// exists.
func (r *resolver) namedPod(ctx context.Context, n name, port int, to *resolution) error {
	key := objects.PodKey{Namespace: n.namespace, Name: n.pod}
	if port == 0 {
		return portless(n.pod)
	}
	traceOf(ctx).enter(StepPod)
	facts, err := r.pod(ctx, key)
	switch {
	case api.IsForbidden(err):
	case err != nil:
		return err
	case facts.Ended() || !facts.Started():
		return &fault.NoEndpoints{Pod: n.pod, Namespace: n.namespace, NotReady: 1}
	}
	to.named = append(to.named, key)
	facts.Key = key // facts are empty if the user may not get the Pod
	e := facts.Endpoint()
	e.Port = port
	to.pods = []endpoint{e}
	return nil
}

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
