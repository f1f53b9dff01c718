// Package kube reaches into a cluster: package kubeconfig reads the contexts, and a [Cluster] is the way into one of
// them, a dialer for the names and addresses that only the cluster knows.
//
// One dial, in order, and the file each step is in:
//
//	"web.billing:80"                    what DialContext is asked for        dial.go
//	→ Service web, namespace billing    what the name means                  name.go
//	→ Service and its EndpointSlices    two small requests, or the cache     resolve.go, cache.go
//	  or what has an address            by field, or because it was seen     address.go, seen.go
//	  which is then watched             from the version of that list on    endpointwatch.go
//	→ ready Pods and the port in each   Service port → endpoint port by name package objects
//	  in the order to try them          shuffled, terminating ones last      package objects
//	→ none that shares its node's       a look at each Pod                   networks.go, pod.go
//	→ a stream                          the API server's pod port-forward    package portforward
//
// Before that, [Cluster.Lookup] says whether a host is the cluster's, and what it returns can be dialled: lookup.go, and
// ranges.go for addresses. What may change meanwhile is a [Policy]. A [Cluster.Walk] makes such a dial and reports its steps,
// which the dial notes as it makes them: walk.go, trace.go.
//
// For a name nothing is listed or watched cluster-wide: it costs a get of its Service and a list of that Service's
// EndpointSlices, so rights in one namespace suffice for the names of that namespace. Once a Service is in use its
// EndpointSlices are watched, until some minutes after the last use; where watching is not granted, or does not work, they
// are polled while the Service is in use. Nobody hears of that, and no connection waits for it. Pods that are out of use are
// withdrawn from the carrier (withdrawal.go). What is neither watched nor polled is good for some seconds, and then renewed
// beside its use; how long is in remember.go. Besides, the first Pod of each node is got once, while a session with it is
// made: no EndpointSlice says that a Pod shares its node's network, and one look at a Pod tells it for all of that node.
//
// An IP address is asked for in all namespaces, and where that is forbidden in those that one may see. Only then are the
// ranges of Services and Pods read, once, where they may be.
//
// The user logs in by what the kubeconfig holds, by a credential plugin or by an identity provider's ID token. The plugin runs,
// and the token is renewed, only for a dial, for a question that the user asked for, or for Check: packages api, plugin
// and oidc. Spare connections, pings, watches and the look for an API server that is away do neither. kubeconfig.Watch reports when the kubeconfig changes, and Context.Fingerprint which of its contexts do.
//
// The package knows no proxy and no desktop. Its errors are those of package fault, in package net's words; it has no
// sentences for users.
package kube
