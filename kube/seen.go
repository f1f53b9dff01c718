package kube

import (
	"net/netip"
	"slices"
	"sync"

	"fairlead/kube/objects"
)

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

func (s *seen) at(addr netip.Addr) (hint, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.hints[addr]
	return h, ok
}

func (s *seen) drop(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hints, addr)
}

// service adds the addresses of a Service.
func (s *seen) service(found *objects.Service) {
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

// endpoints adds the addresses of the Pods behind a Service. They may be those of nodes: an EndpointSlice does not say.
func (s *seen) endpoints(found objects.Endpoints) {
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

// pod adds the addresses of a Pod that has its own network.
func (s *seen) pod(key objects.PodKey, addresses []netip.Addr) {
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

// sure returns the private addresses that are not those of nodes, sorted.
func (s *seen) sure() (list []netip.Prefix) {
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
