package kube

import (
	"context"
)

// questions are those that names need.
type questions struct{ api *api }

func (q questions) service(ctx context.Context, namespace, name string) (*service, error) {
	ask := question{verb: "get", resource: "services", namespace: namespace, name: name}
	s, err := askFor(ctx, q.api, ask, objectOf("Service", readService))
	return &s, err
}

// slicesOf is the question for the EndpointSlices of a Service.
func slicesOf(verb string, key serviceKey) question {
	q := question{verb: verb, resource: "endpointslices.discovery.k8s.io", namespace: key.namespace}
	return q.with("labelSelector", "kubernetes.io/service-name="+key.name)
}

func (q questions) endpointSlices(ctx context.Context, key serviceKey) (endpointSet, error) {
	return askFor(ctx, q.api, slicesOf("list", key).with("limit", maxItems), readSlices(key.namespace))
}

// servicesAt lists the Services with a ClusterIP; in all namespaces when namespace is empty.
func (q questions) servicesAt(ctx context.Context, namespace, clusterIP string) ([]service, error) {
	ask := question{verb: "list", resource: "services", namespace: namespace}
	l, err := askFor(ctx, q.api, ask.cached("spec.clusterIP="+clusterIP), listOf("Service", readService))
	return l.items, err
}

// balancers lists the Services of type LoadBalancer; in all namespaces when namespace is empty.
func (q questions) balancers(ctx context.Context, namespace string) ([]service, error) {
	ask := question{verb: "list", resource: "services", namespace: namespace}
	l, err := askFor(ctx, q.api, ask.cached("spec.type=LoadBalancer"), listOf("Service", readService))
	return l.items, err
}

// pod gets one Pod.
func (q questions) pod(ctx context.Context, namespace, name string) (podFacts, error) {
	return askFor(ctx, q.api, question{verb: "get", resource: "pods", namespace: namespace, name: name}, objectOf("Pod", readPod))
}

// podsAt lists the Pods with a first address, other than those that have ended and may have lost it to another one; in
// all namespaces when namespace is empty.
func (q questions) podsAt(ctx context.Context, namespace, podIP string) ([]podFacts, error) {
	ask := question{verb: "list", resource: "pods", namespace: namespace}
	l, err := askFor(ctx, q.api, ask.cached("status.podIP="+podIP+",status.phase!=Succeeded,status.phase!=Failed"), listOf("Pod", readPod))
	return l.items, err
}

// namespace tells whether a namespace is there; an error of its own when that may not be asked.
func (q questions) namespace(ctx context.Context, name string) error {
	ask := question{verb: "get", resource: "namespaces", namespace: name, name: name}
	_, err := askFor(ctx, q.api, ask, objectOf("Namespace", readName))
	return err
}

// serviceRanges lists the ranges that ClusterIPs are taken from, as CIDRs. API servers before 1.33 do not know them.
func (q questions) serviceRanges(ctx context.Context) ([]string, error) {
	ask := question{verb: "list", resource: "servicecidrs.networking.k8s.io"}
	l, err := askFor(ctx, q.api, ask.with("limit", maxItems), listOf("ServiceCIDR", readServiceCIDR))
	return joined(l.items), err
}

// podRanges lists the ranges of the first nodes' Pods, as CIDRs. A node's object is large, and an address in the range of a
// further one is found by asking for it.
func (q questions) podRanges(ctx context.Context) ([]string, error) {
	l, err := askFor(ctx, q.api, question{verb: "list", resource: "nodes"}.with("limit", maxItems), listOf("Node", readNode))
	return joined(l.items), err
}

func joined(lists [][]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// eachNamespace lists the names of all namespaces.
func (q questions) eachNamespace(ctx context.Context, each func(name string)) error {
	ask := question{verb: "list", resource: "namespaces"}
	return pages(ctx, q.api, ask, listOf("Namespace", readName), func(m *metadata) { each(m.name) })
}

// eachService lists the Services of a namespace; of all of them when it is empty.
func (q questions) eachService(ctx context.Context, namespace string, each func(*service)) error {
	return pages(ctx, q.api, question{verb: "list", resource: "services", namespace: namespace}, listOf("Service", readService), each)
}

// servicesNamed lists the Services of one name in all namespaces.
func (q questions) servicesNamed(ctx context.Context, name string) ([]metadata, error) {
	ask := question{verb: "list", resource: "services"}
	l, err := askFor(ctx, q.api, ask.cached("metadata.name="+name), listOf("Service", readName))
	return l.items, err
}

// someServices lists the first Services of a namespace.
func (q questions) someServices(ctx context.Context, namespace string) ([]metadata, error) {
	ask := question{verb: "list", resource: "services", namespace: namespace}
	l, err := askFor(ctx, q.api, ask.with("limit", nearbyLimit), listOf("Service", readName))
	return l.items, err
}
