// Package kube reaches into a cluster: it reads the contexts of a kubeconfig, and a [Cluster] is the way into one of
// them, a dialer for the names and addresses that only the cluster knows.
//
// One dial, in order, and the file each step is in:
//
//	"web.billing:80"                    what DialContext is asked for        cluster.go
//	→ Service web, namespace billing    what the name means                  name.go
//	→ Service and its EndpointSlices    two small requests, or the cache     api.go, cache.go, resolve.go, address.go
//	→ ready Pods and the port in each   Service port → endpoint port by name service.go
//	→ a stream                          the API server's pod port-forward    package portforward
//
// Nothing is listed cluster-wide and nothing is watched: a name costs a get of its Service and a list of that Service's
// EndpointSlices, so rights in one namespace suffice for the names of that namespace. Only an IP literal is asked for in
// all namespaces, and where that is forbidden in the context's own.
//
// The package knows no proxy and no desktop. Its errors are those of package fault, in package net's words; it has no
// sentences for users.
package kube
