package objects

import "slices"

// Endpoints are those of a Service at one moment. Their content never changes.
type Endpoints struct {
	Slices  []Slice
	Version string // of the API server's list
}

// Cost returns how many bytes of memory the set takes.
func (s Endpoints) Cost() (bytes int) {
	for _, slice := range s.Slices {
		bytes += slice.cost
	}
	return bytes
}

// maxSlices bounds how many EndpointSlices of one Service are kept: as many as a list of them has, see maxItems.
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

// HasReady reports whether anything could be dialled now.
func (s Endpoints) HasReady() bool {
	return slices.ContainsFunc(s.Slices, func(slice Slice) bool {
		return slices.ContainsFunc(slice.Members, func(m Member) bool { return m.Ready })
	})
}

// A Listing is how a Service has a Pod.
type Listing struct {
	Usable bool // for new connections
	Ending bool // it was told to end
}

// Pods returns the Pods of the set. Usable are those that are ready or, while none is, those that are about to end and still
// serve.
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
