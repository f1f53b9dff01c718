package kube

import (
	"context"
	"errors"
	"net/netip"

	"fairlead/kube/api"
	"fairlead/kube/fault"
)

// podFacts are the few facts of a Pod that matter here.
type podFacts struct {
	key         podKey
	uid, node   string
	hostNetwork bool
	phase       string
	ready       bool
	ending      bool         // it was told to end
	addresses   []netip.Addr // its own; its node's when it shares that network
	nodes       []netip.Addr // its node's
}

// ended reports whether the Pod's programs have ended for good.
func (f podFacts) ended() bool { return f.phase == "Succeeded" || f.phase == "Failed" }

// started reports whether the Pod's programs have been started, and have not ended.
func (f podFacts) started() bool { return f.phase == "Running" }

// network is the one the Pod is on.
func (f podFacts) network() network {
	if f.hostNetwork {
		return hostNetwork
	}
	return ownNetwork
}

// endpoint returns the Pod as an endpoint without a port.
func (f podFacts) endpoint(key podKey) endpoint {
	e := endpoint{Namespace: key.namespace, Pod: key.name, UID: f.uid, Node: f.node}
	if len(f.addresses) > 0 {
		e.Address = f.addresses[0]
	}
	return e
}

func (f podFacts) owner(key podKey) owner {
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
