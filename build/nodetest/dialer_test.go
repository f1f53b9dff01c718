//go:build node

package nodetest

import (
	"net/netip"
	"testing"

	"fairlead/build/clustertest"
	"fairlead/build/conformance"
)

func TestClusterIsADialer(t *testing.T) {
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		// A Pod plays a kubelet that hangs, since the API server is inside the namespaces too.
		address := kubectl(t, c, "get", "pod", "never-reads", "-o", "jsonpath={.status.podIP}")
		silent := netip.AddrPortFrom(netip.MustParseAddr(address), 7006)
		for _, carrier := range carriers {
			t.Run(carrier, func(t *testing.T) { conformance.Run(t, c, carrier, silent) })
		}
	})
}
