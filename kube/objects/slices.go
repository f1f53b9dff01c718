package objects

import "slices"

// Endpoints are the EndpointSlices of a Service at one moment. The slices are never modified.
type Endpoints struct {
	Slices  []Slice
	Version string // of the API server's list
}

// Cost returns how many bytes of memory the slices take.
func (s Endpoints) Cost() (bytes int) {
	for _, slice := range s.Slices {
		bytes += slice.cost
	}
	return bytes
}

// maxSlices bounds how many EndpointSlices of one Service are kept. It is the number that a list has, see api.MaxItems.
const maxSlices = 100

// with returns the set after an EndpointSlice was added or changed.
func (s Endpoints) with(slice Slice) Endpoints {
	at := slices.IndexFunc(s.Slices, func(other Slice) bool { return other.name == slice.name })
	switch {
	case at >= 0:
		s.Slices = slices.Clone(s.Slices)
		s.Slices[at] = slice
	case len(s.Slices) < maxSlices:
		s.Slices = append(slices.Clip(s.Slices), slice)
	}
	return s
}

// without returns the set after an EndpointSlice was deleted.
func (s Endpoints) without(name string) Endpoints {
	s.Slices = slices.DeleteFunc(slices.Clone(s.Slices), func(other Slice) bool { return other.name == name })
	return s
}

// HasReady reports whether any endpoint is ready.
func (s Endpoints) HasReady() bool {
	return slices.ContainsFunc(s.Slices, func(slice Slice) bool {
		return slices.ContainsFunc(slice.Members, func(m Member) bool { return m.Ready })
	})
}

// A Listing is the state of a Pod in the EndpointSlices of a Service.
type Listing struct {
	Usable bool // for new connections
	Ending bool // it is being deleted
}

// Pods returns the Pods of the Service. Those that are ready are usable or, while none is, those that are terminating.
func (s Endpoints) Pods() map[PodID]Listing {
	pods := map[PodID]Listing{}
	ready := s.HasReady()
	for _, slice := range s.Slices {
		for _, m := range slice.Members {
			if m.Pod != "" {
				id := PodID{m.Namespace, m.Pod, m.UID}
				had := pods[id]
				pods[id] = Listing{had.Usable || m.Ready || !ready && m.Terminating, had.Ending || m.ending}
			}
		}
	}
	return pods
}
