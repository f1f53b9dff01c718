package kube

// Stats are counts of a Cluster.
type Stats struct {
	Connections int    // open connections into the cluster
	Questions   uint64 // all that were asked of the API server, without port-forwards
	Names       int    // cached Services
	Addresses   int    // cached addresses
}

// Stats returns the current counts.
func (c *Cluster) Stats() Stats {
	return Stats{
		Connections: c.carrier.Connections(),
		Questions:   c.api.Asked.Load(),
		Names:       c.resolver.services.size(),
		Addresses:   c.resolver.owners.size(),
	}
}
