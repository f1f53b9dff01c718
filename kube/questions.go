package kube

import (
	"context"

	"fairlead/kube/api"
)

// questions are those that names need.
type questions struct{ api *api.Client }

func (q questions) service(ctx context.Context, namespace, name string) (*service, error) {
	ask := api.Question{Verb: "get", Resource: "services", Namespace: namespace, Name: name}
	s, err := api.Ask(ctx, q.api, ask, api.ObjectOf("Service", readService))
	return &s, err
}

// slicesOf is the question for the EndpointSlices of a Service.
func slicesOf(verb string, key serviceKey) api.Question {
	q := api.Question{Verb: verb, Resource: "endpointslices.discovery.k8s.io", Namespace: key.namespace}
	return q.With("labelSelector", "kubernetes.io/service-name="+key.name)
}

func (q questions) endpointSlices(ctx context.Context, key serviceKey) (endpointSet, error) {
	return api.Ask(ctx, q.api, slicesOf("list", key).With("limit", api.MaxItems), readSlices(key.namespace))
}

// servicesAt lists the Services with a ClusterIP; in all namespaces when namespace is empty.
func (q questions) servicesAt(ctx context.Context, namespace, clusterIP string) ([]service, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.api, ask.Cached("spec.clusterIP="+clusterIP), api.ListOf("Service", readService))
	return l.Items, err
}

// balancers lists the Services of type LoadBalancer; in all namespaces when namespace is empty.
func (q questions) balancers(ctx context.Context, namespace string) ([]service, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.api, ask.Cached("spec.type=LoadBalancer"), api.ListOf("Service", readService))
	return l.Items, err
}

// pod gets one Pod.
func (q questions) pod(ctx context.Context, namespace, name string) (podFacts, error) {
	return api.Ask(ctx, q.api, api.Question{Verb: "get", Resource: "pods", Namespace: namespace, Name: name}, api.ObjectOf("Pod", readPod))
}

// podsAt lists the Pods with a first address, other than those that have ended and may have lost it to another one; in
// all namespaces when namespace is empty.
func (q questions) podsAt(ctx context.Context, namespace, podIP string) ([]podFacts, error) {
	ask := api.Question{Verb: "list", Resource: "pods", Namespace: namespace}
	l, err := api.Ask(ctx, q.api, ask.Cached("status.podIP="+podIP+",status.phase!=Succeeded,status.phase!=Failed"), api.ListOf("Pod", readPod))
	return l.Items, err
}

// namespace tells whether a namespace is there; an error of its own when that may not be asked.
func (q questions) namespace(ctx context.Context, name string) error {
	ask := api.Question{Verb: "get", Resource: "namespaces", Namespace: name, Name: name}
	_, err := api.Ask(ctx, q.api, ask, api.ObjectOf("Namespace", api.ReadName))
	return err
}

// serviceRanges lists the ranges that ClusterIPs are taken from, as CIDRs. API servers before 1.33 do not know them.
func (q questions) serviceRanges(ctx context.Context) ([]string, error) {
	ask := api.Question{Verb: "list", Resource: "servicecidrs.networking.k8s.io"}
	l, err := api.Ask(ctx, q.api, ask.With("limit", api.MaxItems), api.ListOf("ServiceCIDR", readServiceCIDR))
	return joined(l.Items), err
}

// podRanges lists the ranges of the first nodes' Pods, as CIDRs. A node's object is large, and an address in the range of a
// further one is found by asking for it.
func (q questions) podRanges(ctx context.Context) ([]string, error) {
	l, err := api.Ask(ctx, q.api, api.Question{Verb: "list", Resource: "nodes"}.With("limit", api.MaxItems), api.ListOf("Node", readNode))
	return joined(l.Items), err
}

func joined(lists [][]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// eachNamespace lists the names of all namespaces.
func (q questions) eachNamespace(ctx context.Context, each func(name string)) error {
	ask := api.Question{Verb: "list", Resource: "namespaces"}
	return api.AskPages(ctx, q.api, ask, api.ListOf("Namespace", api.ReadName), func(m *api.Metadata) { each(m.Name) })
}

// eachService lists the Services of a namespace; of all of them when it is empty.
func (q questions) eachService(ctx context.Context, namespace string, each func(*service)) error {
	return api.AskPages(ctx, q.api, api.Question{Verb: "list", Resource: "services", Namespace: namespace}, api.ListOf("Service", readService), each)
}

// servicesNamed lists the Services of one name in all namespaces.
func (q questions) servicesNamed(ctx context.Context, name string) ([]api.Metadata, error) {
	ask := api.Question{Verb: "list", Resource: "services"}
	l, err := api.Ask(ctx, q.api, ask.Cached("metadata.name="+name), api.ListOf("Service", api.ReadName))
	return l.Items, err
}

// someLimit bounds how many Services someServices lists.
const someLimit = "200"

// someServices lists the first Services of a namespace.
func (q questions) someServices(ctx context.Context, namespace string) ([]api.Metadata, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.api, ask.With("limit", someLimit), api.ListOf("Service", api.ReadName))
	return l.Items, err
}
