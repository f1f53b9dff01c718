package kube

import (
	"net/netip"
	"slices"
	"sync"

	"fairlead/kube/objects"
)

// maxSeen bounds how many addresses are remembered.
const maxSeen = 4096

// seen remembers which addresses objects had that were looked at for another reason. An API server cannot be asked for
// all of them. What is remembered is a hint: it is looked at again before it counts.
type seen struct {
	mu    sync.Mutex
	hints map[netip.Addr]hint
}

// A hint is a Service or a Pod that had an address.
type hint struct {
	service objects.ServiceKey
	pod     objects.PodKey
	sure    bool // it is no node's
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

// service takes the addresses of a Service.
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

// endpoints takes the addresses of the Pods behind a Service. They may be their nodes': an EndpointSlice does not say.
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

// pod takes the addresses of a Pod that has a network of its own.
func (s *seen) pod(key objects.PodKey, addresses []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, addr := range addresses {
		s.put(addr, hint{pod: key, sure: true})
	}
}

// put remembers a hint. Addresses of the Internet are nobody's but by the settings, and are not worth remembering unless
// those speak of them: resolver asks before it looks here.
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

// sure gives the private addresses that are no node's, in order.
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
