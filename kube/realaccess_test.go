package kube

import (
	"testing"

	"fairlead/build/clustertest"
)

// TestAccessToARealCluster is what logins, certificates and the ways to a real API server are.
func TestAccessToARealCluster(t *testing.T) {
	cluster := clustertest.Start(t, clustertest.Options{})
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"the environment's proxy is not one of ours": ownProxy,
	} {
		t.Run(name, func(t *testing.T) { test(t, cluster) })
	}
}
