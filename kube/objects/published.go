package objects

import (
	"net/netip"
	"slices"
)

// Published is a ready endpoint of a Service as the cluster's DNS has it.
type Published struct {
	Label   string // its name in the Service's domain
	Address netip.Addr
	Port    int // of the port that was asked for; 0 if none was
}

// Published returns the ready endpoints of the Service whose EndpointSlice has a port that matches, each with that port. If
// match is nil, it returns all ready endpoints, without ports. Endpoints that have no address, but a host, have no record in
// DNS.
func (s *Service) Published(match func(Port) bool) []Published {
	var all []Published
	for _, slice := range s.Slices {
		port := 0
		if match != nil {
			at := slices.IndexFunc(slice.ports, match)
			if at < 0 {
				continue
			}
			port = slice.ports[at].Number
		}
		for _, m := range slice.Members {
			address, err := netip.ParseAddr(m.Address)
			if !m.Ready || err != nil || address.Zone() != "" {
				continue
			}
			one := Published{Label: m.label(), Address: address.Unmap(), Port: port}
			if IsLabel(one.Label) && !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return shuffled(all)
}

// label returns the member's name in the domain of its Service: its host name or, if it has none, its address with dashes.
func (m Member) label() string {
	if m.hostname != "" {
		return m.hostname
	}
	return dashed(m.Address)
}
