package kube

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/objects"
)

// An owner is the Service or the Pod that has an address; neither if the address is not in the cluster.
type owner struct {
	service     objects.ServiceKey
	pod         endpoint
	external    bool // the address is one of the Service's externalIPs, and the policy covers it
	hostNetwork bool // the Pod's address is its node's
	expected    bool // the address is in a range of the cluster
}

// owner returns the owner of an address, and when it was asked for.
func (l *addressLookup) owner(ctx context.Context, n name) (owner, time.Time, error) {
	return l.owners.get(ctx, n, func(ctx context.Context) (owner, error) {
		o, err := l.findOwner(ctx, n)
		o.expected = l.clusterRanges.expects(n.address)
		return o, err
	})
}

// findOwner asks for the owner of an address. It tries the object that was seen with the address first: that needs rights in
// one namespace only, and finds more than field selectors do, which know only the first of several addresses of a Pod or a
// Service.
//
// An externalIP counts only if nothing else has the address and the policy covers it: otherwise the author of a Service could
// claim any host of the user's network, and receive the connections to it (CVE-2020-8554).
func (l *addressLookup) findOwner(ctx context.Context, n name) (owner, error) {
	var external owner
	if n.namespace == "" {
		o, err := l.ownerSeen(ctx, n.address)
		switch {
		case o.external:
			external = o
		case o != (owner{}) || err != nil:
			return o, err
		}
	}
	var service objects.ServiceKey
	var pods []objects.Pod
	var serviceErr, podsErr error
	var wg sync.WaitGroup
	if n.namespace == "" { // an address in a name with a namespace is a Pod's
		wg.Go(func() { service, serviceErr = l.serviceAt(ctx, n.address) })
	}
	pods, podsErr = listEverywhere(l.namespaces, "pods", n.namespace, func(namespace string) ([]objects.Pod, error) {
		return l.ask.PodsAt(ctx, namespace, n.address.String())
	})
	wg.Wait()
	if n.namespace == "" && service.Name == "" && len(pods) == 0 && !isSilent(serviceErr) && !isSilent(podsErr) {
		var err error
		// Other errors mean that there are too many Services, or that the API server is too old for the question.
		if service, err = l.balancerAt(ctx, n.address); isSilent(err) && !isOversized(err) {
			return owner{}, err
		}
	}
	switch {
	case service.Name != "":
		return owner{service: service}, nil
	case len(pods) > 0:
		return l.podOwner(pods), nil
	}
	for _, err := range []error{serviceErr, podsErr} {
		if err != nil && !errors.Is(err, api.ErrAbsent) {
			return owner{}, err
		}
	}
	return external, nil
}

// ownerSeen returns the owner that was seen with the address, if it still has it, and the zero owner otherwise.
func (l *addressLookup) ownerSeen(ctx context.Context, addr netip.Addr) (owner, error) {
	hint, ok := l.seen.at(addr)
	if !ok {
		return owner{}, nil
	}
	var err error
	if hint.service.Name != "" {
		var s *objects.Service
		if s, _, err = l.named.described(ctx, hint.service); err == nil && slices.Contains(s.Addresses, addr) {
			return owner{service: hint.service}, nil
		} else if err == nil && slices.Contains(s.External, addr) {
			if !l.policy().covers(addr) {
				return owner{}, nil
			}
			return owner{service: hint.service, external: true}, nil
		}
	} else {
		var facts objects.Pod
		if facts, err = l.podFacts.pod(ctx, hint.pod); err == nil && slices.Contains(facts.Addresses, addr) {
			return ownerOf(facts), nil
		}
	}
	if isSilent(err) {
		return owner{}, err
	}
	if !api.IsForbidden(err) {
		l.seen.drop(addr)
	}
	return owner{}, nil
}

// serviceAt returns the Service that has addr as its first ClusterIP.
func (l *addressLookup) serviceAt(ctx context.Context, addr netip.Addr) (objects.ServiceKey, error) {
	list, err := listEverywhere(l.namespaces, "services", "", func(namespace string) ([]objects.Service, error) {
		return l.ask.ServicesAt(ctx, namespace, addr.String())
	})
	if err != nil || len(list) == 0 {
		return objects.ServiceKey{}, err
	}
	return objects.ServiceKey{Namespace: list[0].Namespace, Name: list[0].Name}, nil
}

// balancerAt returns the Service whose load balancer has addr. There is no field selector for that address, but there is one
// for the type, and such Services are few.
func (l *addressLookup) balancerAt(ctx context.Context, addr netip.Addr) (objects.ServiceKey, error) {
	all, _, err := l.balancers.get(ctx, "", func(ctx context.Context) (map[netip.Addr]objects.ServiceKey, error) {
		list, err := listEverywhere(l.namespaces, "services", "", func(namespace string) ([]objects.Service, error) {
			return l.ask.Balancers(ctx, namespace)
		})
		found := map[netip.Addr]objects.ServiceKey{}
		for i := range list {
			for _, addr := range list[i].Addresses {
				found[addr] = objects.ServiceKey{Namespace: list[i].Namespace, Name: list[i].Name}
			}
		}
		for i := range list {
			for _, addr := range list[i].External {
				if _, taken := found[addr]; !taken && l.policy().covers(addr) {
					found[addr] = objects.ServiceKey{Namespace: list[i].Namespace, Name: list[i].Name}
				}
			}
		}
		return found, err
	})
	return all[addr], err
}

// podOwner returns the one of several Pods that has their address now. It prefers Pods with their own network, and then Pods
// that are ready.
func (l *addressLookup) podOwner(pods []objects.Pod) owner {
	chosen := slices.MaxFunc(pods, func(a, b objects.Pod) int { return cmp.Compare(rank(a), rank(b)) })
	l.podFacts.note(chosen)
	return ownerOf(chosen)
}

func rank(f objects.Pod) (rank int) {
	if !f.HostNetwork {
		rank = 2
	}
	if f.Ready {
		rank++
	}
	return rank
}
