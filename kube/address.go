package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"fairlead/kube/fault"
)

// An owner is what an address belongs to: a Service, or a Pod.
type owner struct {
	service serviceKey
	pod     endpoint
}

// owner finds what an address belongs to, by asking for both kinds at once.
func (r *resolver) owner(ctx context.Context, n name) (owner, error) {
	ip := n.address.String()
	var services []corev1.Service
	var pods []corev1.Pod
	var servicesErr, podsErr error
	var wg sync.WaitGroup
	if n.namespace == "" { // a name that has a namespace in it is a Pod's
		wg.Go(func() {
			servicesErr = r.everywhere(n.namespace, func(namespace string) (err error) {
				services, err = r.api.servicesAt(ctx, namespace, ip)
				return err
			})
		})
	}
	podsErr = r.everywhere(n.namespace, func(namespace string) (err error) {
		pods, err = r.api.podsAt(ctx, namespace, ip)
		return err
	})
	wg.Wait()
	if len(services) > 0 {
		return owner{service: serviceKey{services[0].Namespace, services[0].Name}}, nil
	}
	if len(pods) > 0 {
		return podOwner(ip, pods)
	}
	for _, err := range []error{servicesErr, podsErr} {
		if err != nil && !errors.Is(err, errAbsent) {
			return owner{}, err
		}
	}
	return owner{}, &fault.NotFound{Kind: fault.Address, Name: ip}
}

// everywhere asks in one namespace, if one is given, or else in all of them, and where that is forbidden in the context's.
func (r *resolver) everywhere(namespace string, ask func(namespace string) error) error {
	err := ask(namespace)
	var forbidden *fault.Forbidden
	if namespace == "" && errors.As(err, &forbidden) {
		return ask(r.namespace())
	}
	return err
}

// podOwner chooses the Pod that has an address now: one that is ready before one that is not.
func podOwner(ip string, pods []corev1.Pod) (owner, error) {
	var chosen *corev1.Pod
	for i, pod := range pods {
		if pod.Spec.HostNetwork {
			continue
		}
		if chosen == nil || isReady(&pod) && !isReady(chosen) {
			chosen = &pods[i]
		}
	}
	if chosen == nil {
		// Its port-forward would lead to the node's own loopback, and to whatever listens there.
		return owner{}, &fault.Unsupported{What: fmt.Sprintf("%s is a node's address: the Pods that have it share the node's network", ip)}
	}
	return owner{pod: endpoint{Namespace: chosen.Namespace, Pod: chosen.Name, UID: string(chosen.UID)}}, nil
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
