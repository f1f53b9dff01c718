package kube

import (
	"context"
	"errors"

	"fairlead/kube/api"
	"fairlead/kube/fault"
)

// networkOf returns which network a Pod is on.
func networkOf(f podFacts) network {
	if f.hostNetwork {
		return hostNetwork
	}
	return ownNetwork
}

// ownerOf returns a Pod as the owner of its addresses.
func ownerOf(f podFacts, key podKey) owner {
	return owner{pod: f.endpoint(key), hostNetwork: f.hostNetwork}
}

// pod asks for a Pod by its name.
func (r *resolver) pod(ctx context.Context, key podKey) (podFacts, error) {
	facts, _, err := r.pods.get(ctx, key, func(ctx context.Context) (podFacts, error) {
		facts, err := r.ask.pod(ctx, key.namespace, key.name)
		if errors.Is(err, api.ErrAbsent) {
			return podFacts{}, &fault.NotFound{Kind: fault.Pod, Name: key.name, Namespace: key.namespace}
		}
		if err != nil {
			return podFacts{}, err
		}
		r.note(key, facts)
		return facts, nil
	})
	return facts, err
}

// note keeps what a look at a Pod tells beyond the question.
func (r *resolver) note(key podKey, facts podFacts) {
	r.namespaces.used(key.namespace)
	r.networks.note(key, facts)
	if !facts.hostNetwork && !facts.ended() {
		r.seen.pod(key, facts.addresses)
	}
}

// namedPod resolves the form NAME.NAMESPACE.pod. Where one may not look at the Pod, the port-forward will tell.
func (r *resolver) namedPod(ctx context.Context, n name, port int, to *resolution) error {
	key := podKey{n.namespace, n.pod}
	if port == 0 {
		return portless(n.pod)
	}
	traceOf(ctx).enter(StepPod)
	facts, err := r.pod(ctx, key)
	switch {
	case api.IsForbidden(err):
	case err != nil:
		return err
	case facts.ended() || !facts.started():
		return &fault.NoEndpoints{Pod: n.pod, Namespace: n.namespace, NotReady: 1}
	}
	to.named = append(to.named, key)
	e := facts.endpoint(key)
	e.Port = port
	to.pods = []endpoint{e}
	return nil
}
