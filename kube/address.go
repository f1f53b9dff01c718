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

// An owner is the Service or the Pod that has an address. Both are zero if the address is not in the cluster.
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
	hint, ok := l.seen.hint(addr)
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

// podOwner chooses the owner of an address from the Pods that the API server lists for it. It prefers Pods with their own
// network, and then Pods that are ready.
func (l *addressLookup) podOwner(pods []objects.Pod) owner {
	chosen := slices.MaxFunc(pods, func(a, b objects.Pod) int { return cmp.Compare(rank(a), rank(b)) })
	l.podFacts.note(chosen)
	return ownerOf(chosen)
}

// rank returns how likely it is that a Pod has its address now. Higher is likelier.
func rank(f objects.Pod) (rank int) {
	if !f.HostNetwork {
		rank = 2
	}
	if f.Ready {
		rank++
	}
	return rank
}

// maxSeen bounds the number of addresses in seen.
const maxSeen = 4096

// seen keeps the addresses of objects that were asked for, because the API server can be asked only for some kinds of
// addresses. What it keeps are hints: the object is asked for again before a hint counts.
type seen struct {
	mu    sync.Mutex
	hints map[netip.Addr]hint
}

// A hint is a Service or a Pod that had an address.
type hint struct {
	service objects.ServiceKey
	pod     objects.PodKey
	sure    bool // it is not the address of a node
}

func newSeen() *seen { return &seen{hints: map[netip.Addr]hint{}} }

// hint returns the hint about an address, and whether there is one.
func (s *seen) hint(addr netip.Addr) (hint, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.hints[addr]
	return h, ok
}

// drop removes the hint about an address.
func (s *seen) drop(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hints, addr)
}

// addService adds the addresses of a Service.
func (s *seen) addService(found *objects.Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, addr := range found.Addresses {
		s.put(addr, hint{service: objects.ServiceKey{Namespace: found.Namespace, Name: found.Name}, sure: true})
	}
	for _, addr := range found.External {
		if _, known := s.hints[addr]; !known {
			s.put(addr, hint{service: objects.ServiceKey{Namespace: found.Namespace, Name: found.Name}})
		}
	}
}

// addEndpoints adds the addresses of the Pods behind a Service. They may be those of nodes: an EndpointSlice does not say.
func (s *seen) addEndpoints(found objects.Endpoints) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, slice := range found.Slices {
		for _, m := range slice.Members {
			addr, err := netip.ParseAddr(m.Address)
			if err == nil && m.Pod != "" && !s.hints[addr.Unmap()].sure {
				s.put(addr.Unmap(), hint{pod: objects.PodKey{Namespace: m.Namespace, Name: m.Pod}})
			}
		}
	}
}

// addPod adds the addresses of a Pod that has its own network.
func (s *seen) addPod(key objects.PodKey, addresses []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, addr := range addresses {
		s.put(addr, hint{pod: key, sure: true})
	}
}

// put adds a hint. Hints about public addresses are used only if the policy covers them; the resolver checks that first.
func (s *seen) put(addr netip.Addr, h hint) {
	if !addr.IsGlobalUnicast() {
		return
	}
	if _, known := s.hints[addr]; !known && len(s.hints) >= maxSeen {
		for other := range s.hints {
			if len(s.hints) < maxSeen*3/4 {
				break
			}
			delete(s.hints, other)
		}
	}
	s.hints[addr] = h
}

// privateAddresses returns the private addresses that are not those of nodes, sorted.
func (s *seen) privateAddresses() (list []netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, h := range s.hints {
		if h.sure && isPrivate(addr) {
			list = append(list, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return list
}
