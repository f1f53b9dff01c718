package kube

import "slices"

// An endpointSet is the endpoints of a Service at one moment. Its content never changes.
type endpointSet struct {
	slices  []endpointSlice
	version string // of the API server's list
}

// cost returns how many bytes of memory the set takes.
func (s endpointSet) cost() (bytes int) {
	for _, slice := range s.slices {
		bytes += slice.cost
	}
	return bytes
}

// maxSlices bounds how many EndpointSlices of one Service are kept: as many as a list of them has, see maxItems.
const maxSlices = 100

// with returns the set after an EndpointSlice was added or changed.
func (s endpointSet) with(slice endpointSlice) endpointSet {
	at := slices.IndexFunc(s.slices, func(other endpointSlice) bool { return other.name == slice.name })
	switch {
	case at >= 0:
		s.slices = slices.Clone(s.slices)
		s.slices[at] = slice
	case len(s.slices) < maxSlices:
		s.slices = append(slices.Clip(s.slices), slice)
	}
	return s
}

// without returns the set after an EndpointSlice was deleted.
func (s endpointSet) without(name string) endpointSet {
	s.slices = slices.DeleteFunc(slices.Clone(s.slices), func(other endpointSlice) bool { return other.name == name })
	return s
}

// hasReady reports whether anything could be dialled now.
func (s endpointSet) hasReady() bool {
	return slices.ContainsFunc(s.slices, func(slice endpointSlice) bool {
		return slices.ContainsFunc(slice.members, func(m member) bool { return m.ready })
	})
}

// A listing is how a Service has a Pod.
type listing struct {
	usable bool // for new connections
	ending bool // it was told to end
}

// pods returns the Pods of the set. Usable are those that are ready or, while none is, those that are about to end and still
// serve.
func (s endpointSet) pods() map[podID]listing {
	pods := map[podID]listing{}
	ready := s.hasReady()
	for _, slice := range s.slices {
		for _, m := range slice.members {
			if m.pod != "" {
				id := podID{m.namespace, m.pod, m.uid}
				had := pods[id]
				pods[id] = listing{had.usable || m.ready || !ready && m.terminating, had.ending || m.ending}
			}
		}
	}
	return pods
}
