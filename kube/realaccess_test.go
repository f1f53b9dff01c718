package kube

import (
	"testing"

	"fairlead/build/clustertest"
)

// TestAccessToARealCluster tests logins, certificates and proxies with a real API server.
func TestAccessToARealCluster(t *testing.T) {
	cluster := clustertest.Start(t, clustertest.Options{})
	visitor(t, cluster)
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"the environment's proxy is not one of ours":        ownProxy,
		"all ways to the API server lead through the proxy": everyWayThroughProxy,
		"without a proxy nothing goes through one":          noWayThroughProxy,
		"a proxy's fault is reported as its own":            proxyFaults,
		"a plugin gets the proxy":                           pluginGetsProxy,
		"a walk goes along the whole chain":                 walksThatHold,
		"a walk stops where the chain breaks":               walksThatBreak,
		"a walk suggests names":                             walksSuggest,
		"certificates that are not to be trusted":           certificates,
		"an ID token is renewed for a connection":           renewedIDToken,
		"a plugin runs for the user's requests":             pluginWhenAsked,
		"a plugin may give a client certificate":            pluginCertificate,
		"a token file is read again":                        renewedTokenFile,
	} {
		t.Run(name, func(t *testing.T) { test(t, cluster) })
	}
}
