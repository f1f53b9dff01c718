package kube

import (
	"testing"

	"fairlead/build/clustertest"
)

// TestAccessToARealCluster is what logins, certificates and the ways to a real API server are.
func TestAccessToARealCluster(t *testing.T) {
	cluster := clustertest.Start(t, clustertest.Options{})
	visitor(t, cluster)
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"the environment's proxy is not one of ours":        ownProxy,
		"all ways to the API server lead through the proxy": everyWayThroughProxy,
		"without a proxy nothing goes through one":          noWayThroughProxy,
		"a proxy's fault is told of the proxy":              proxyFaults,
		"a plugin is told of the proxy":                     pluginIsToldOfProxy,
		"a walk goes along the whole chain":                 walksThatHold,
		"a walk stops where the chain breaks":               walksThatBreak,
		"a walk says what may have been meant":              walksSuggest,
		"certificates that are not to be trusted":           certificates,
		"an ID token is renewed for a connection":           renewedIDToken,
		"a plugin runs when somebody asks":                  pluginWhenAsked,
		"a plugin may give a client certificate":            pluginCertificate,
		"a token file is read anew":                         renewedTokenFile,
	} {
		t.Run(name, func(t *testing.T) { test(t, cluster) })
	}
}
