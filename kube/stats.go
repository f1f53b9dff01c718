package kube

import "fairlead/kube/portforward"

// Stats counts what a Cluster has done and what it holds.
type Stats struct {
	portforward.Stats
	Questions uint64 // asked of the API server, ever; not port-forwards
	Names     int    // Services that are remembered
	Addresses int    // addresses that are remembered
}

// Stats reports on this moment.
func (c *Cluster) Stats() Stats {
	return Stats{
		Stats:     c.carrier.Stats(),
		Questions: c.api.asked.Load(),
		Names:     c.resolver.services.size(),
		Addresses: c.resolver.owners.size(),
	}
}
