package kube

import (
	"context"
	"errors"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"fairlead/kube/fault"
)

// podFacts are the few facts of a Pod that matter here.
type podFacts struct {
	uid, node   string
	hostNetwork bool
	ended       bool         // its programs have ended for good
	started     bool         // its programs have been started
	addresses   []netip.Addr // its own; its node's when it shares that network
	nodes       []netip.Addr // its node's
}

func newPodFacts(pod *corev1.Pod) podFacts {
	phase := pod.Status.Phase
	f := podFacts{
		uid: string(pod.UID), node: pod.Spec.NodeName, hostNetwork: pod.Spec.HostNetwork,
		ended: phase == corev1.PodSucceeded || phase == corev1.PodFailed, started: phase == corev1.PodRunning,
	}
	add := func(list *[]netip.Addr, text string) {
		if addr, err := netip.ParseAddr(text); err == nil && len(*list) < maxAddresses {
			*list = append(*list, addr.Unmap())
		}
	}
	add(&f.addresses, pod.Status.PodIP)
	for _, ip := range pod.Status.PodIPs {
		add(&f.addresses, ip.IP)
	}
	add(&f.nodes, pod.Status.HostIP)
	for _, ip := range pod.Status.HostIPs {
		add(&f.nodes, ip.IP)
	}
	return f
}

// network is the one the Pod is on.
func (f podFacts) network() network {
	if f.hostNetwork {
		return hostNetwork
	}
	return ownNetwork
}

// candidate is the Pod as an endpoint without a port.
func (f podFacts) candidate(key podKey) candidate {
	c := candidate{endpoint: endpoint{Namespace: key.namespace, Pod: key.name, UID: f.uid}, node: f.node}
	if len(f.addresses) > 0 {
		c.address = f.addresses[0].String()
	}
	return c
}

func (f podFacts) owner(key podKey) owner {
	return owner{pod: f.candidate(key), hostNetwork: f.hostNetwork}
}

// pod asks for a Pod by its name.
func (r *resolver) pod(ctx context.Context, key podKey) (podFacts, error) {
	facts, _, err := r.pods.get(ctx, key, func(ctx context.Context) (podFacts, error) {
		pod, err := r.api.pod(ctx, key.namespace, key.name)
		if errors.Is(err, errAbsent) {
			return podFacts{}, &fault.NotFound{Kind: fault.Pod, Name: key.name, Namespace: key.namespace}
		}
		if err != nil {
			return podFacts{}, err
		}
		facts := newPodFacts(pod)
		r.note(key, facts)
		return facts, nil
	})
	return facts, err
}

// note keeps what a look at a Pod tells beyond the question.
func (r *resolver) note(key podKey, facts podFacts) {
	r.namespaces.used(key.namespace)
	r.networks.note(key, facts)
	if !facts.hostNetwork && !facts.ended {
		r.seen.pod(key, facts.addresses)
	}
}

// namedPod resolves the form NAME.NAMESPACE.pod. Where one may not look at the Pod, the port-forward will tell.
func (r *resolver) namedPod(ctx context.Context, n name, port int, to *resolution) error {
	key := podKey{n.namespace, n.pod}
	facts, err := r.pod(ctx, key)
	switch {
	case isForbidden(err):
	case err != nil:
		return err
	case facts.ended || !facts.started:
		return &fault.NoEndpoints{Pod: n.pod, Namespace: n.namespace, NotReady: 1}
	}
	to.named = append(to.named, key)
	c := facts.candidate(key)
	c.Port = port
	to.pods = []candidate{c}
	return nil
}

func isForbidden(err error) bool {
	var forbidden *fault.Forbidden
	return errors.As(err, &forbidden)
}
