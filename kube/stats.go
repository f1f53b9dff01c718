package kube

// Stats counts what a Cluster has done and what it holds.
type Stats struct {
	Connections int    // into the cluster that are open
	Questions   uint64 // asked of the API server, ever; not port-forwards
	Names       int    // Services that are remembered
	Addresses   int    // addresses that are remembered
}

// Stats returns the counts of this moment.
func (c *Cluster) Stats() Stats {
	return Stats{
		Connections: c.carrier.Connections(),
		Questions:   c.api.Asked.Load(),
		Names:       c.resolver.services.size(),
		Addresses:   c.resolver.owners.size(),
	}
}
