package kube

import (
	"context"
	"errors"

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
		l.seen.pod(facts.Key, facts.Addresses)
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
