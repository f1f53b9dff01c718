// Package kube reaches into a cluster: package kubeconfig reads the contexts, and a [Cluster] is a dialer for the names and
// addresses that only one context's cluster knows.
//
// The steps of a dial, in order, with their files:
//
//	"web.billing:80"                    what DialContext is asked for        dial.go
//	→ Service web, namespace billing    what the name means                  name.go
//	→ Service and its EndpointSlices    two small requests, or the cache     resolve.go, cache.go
//	  or what has the address           a field selector, or seen before     address.go
//	  which is then watched             from the version of that list on    endpointwatch.go
//	→ ready Pods and the port in each   Service port → endpoint port by name package objects
//	  in the order to try them          shuffled, terminating ones last      package objects
//	→ without those on a node's network the Pod, read if not yet known       networks.go, pod.go
//	→ a stream                          the API server's pod port-forward    package portforward
//
// Before a dial, [Cluster.Lookup] finds out whether a host is in the cluster, and returns a [Host] that can be dialled:
// lookup.go, and ranges.go for addresses. A [Policy] may be replaced at any time. [Cluster.Walk] makes such a dial and
// reports its steps: walk.go, trace.go.
//
// A name needs no cluster-wide list or watch: it costs a get of its Service and a list of that Service's EndpointSlices, so
// rights in one namespace suffice for the names of that namespace. Once a Service is in use its EndpointSlices are watched,
// until some minutes after the last use; if the user may not watch them, or watches do not work, they are polled while the
// Service is in use. No connection waits for that. Pods that are out of use are withdrawn from the carrier (withdrawal.go).
// Answers that are neither watched nor polled are used for some seconds and then renewed in the background; remember.go has
// the times. In addition, a Pod is read while a session with it is made, if the user may read it: EndpointSlices do not
// say whether a Pod shares its node's network, and another Pod may have had its name before.
//
// The owner of an IP address is looked for in all namespaces or, if that is forbidden, in those that the user may see. Only
// then are the ranges of Services and Pods read, once, if the user may read them.
//
// The user logs in by the credentials in the kubeconfig, by a credential plugin or by an identity provider's ID token. The
// plugin runs, and the token is renewed, only for a dial, for a question that the user asked for, or for Check: packages
// api, plugin and oidc. Spare connections, pings, watches and probes of an unreachable API server do neither.
// kubeconfig.Watch reports changes of the kubeconfig, and Context.Fingerprint shows which contexts changed.
//
// The package does not depend on the proxy or the desktop. Its errors are those of package fault, in the style of package
// net; it has no sentences for users.
package kube
