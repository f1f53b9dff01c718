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

// An owner is what an address belongs to: a Service, a Pod, or neither, and then it is none of the cluster's.
type owner struct {
	service     objects.ServiceKey
	pod         endpoint
	external    bool // the address is among the Service's externalIPs, and the settings say that it is the cluster's
	hostNetwork bool // the Pod's address is its node's
	expected    bool // the address is in a range of the cluster's
}

// owner gives what an address belongs to, and when that was asked for.
func (l *addressLookup) owner(ctx context.Context, n name) (owner, time.Time, error) {
	return l.owners.get(ctx, n, func(ctx context.Context) (owner, error) {
		o, err := l.findOwner(ctx, n)
		o.expected = l.clusterRanges.expects(n.address)
		return o, err
	})
}

// findOwner looks at what was seen to have the address first, which needs rights in one namespace only and knows more than
// an API server can be asked for: of several addresses of a Pod or a Service only the first is a field to select by.
//
// An externalIP counts when nothing else has the address, and only where the settings take it for the cluster's: a tenant who may
// write Services could name any host of the user's network, and get what is meant for it (CVE-2020-8554).
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
	if n.namespace == "" { // a name that has a namespace in it is a Pod's
		wg.Go(func() { service, serviceErr = l.serviceAt(ctx, n.address) })
	}
	pods, podsErr = everywhere(l.namespaces, "pods", n.namespace, func(namespace string) ([]objects.Pod, error) {
		return l.ask.PodsAt(ctx, namespace, n.address.String())
	})
	wg.Wait()
	if n.namespace == "" && service.Name == "" && len(pods) == 0 && !isSilent(serviceErr) && !isSilent(podsErr) {
		var err error
		// Other errors than of silence say that there are too many, or that the API server is too old for the question.
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

// ownerSeen asks for what was seen to have the address, whether it still has it. The zero owner says that nothing does.
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
			return ownerOf(facts, hint.pod), nil
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

// serviceAt finds the Service that has addr as its first ClusterIP.
func (l *addressLookup) serviceAt(ctx context.Context, addr netip.Addr) (objects.ServiceKey, error) {
	list, err := everywhere(l.namespaces, "services", "", func(namespace string) ([]objects.Service, error) {
		return l.ask.ServicesAt(ctx, namespace, addr.String())
	})
	if err != nil || len(list) == 0 {
		return objects.ServiceKey{}, err
	}
	return objects.ServiceKey{Namespace: list[0].Namespace, Name: list[0].Name}, nil
}

// balancerAt finds the Service whose load balancer has addr. That is no field to select by, but the type is, and Services
// of that type are few.
func (l *addressLookup) balancerAt(ctx context.Context, addr netip.Addr) (objects.ServiceKey, error) {
	all, _, err := l.balancers.get(ctx, "", func(ctx context.Context) (map[netip.Addr]objects.ServiceKey, error) {
		list, err := everywhere(l.namespaces, "services", "", func(namespace string) ([]objects.Service, error) {
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

// podOwner chooses the Pod that has an address now: one of its own network before one that shares its node's, and one that
// is ready before one that is not.
func (l *addressLookup) podOwner(pods []objects.Pod) owner {
	chosen := slices.MaxFunc(pods, func(a, b objects.Pod) int { return cmp.Compare(rank(a), rank(b)) })
	l.podFacts.note(chosen.Key, chosen)
	return ownerOf(chosen, chosen.Key)
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
