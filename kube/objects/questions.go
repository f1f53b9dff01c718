package objects

import (
	"context"

	"fairlead/kube/api"
)

// Questions asks the API server what names need to know.
type Questions struct{ API *api.Client }

// Service gets one Service.
func (q Questions) Service(ctx context.Context, namespace, name string) (*Service, error) {
	ask := api.Question{Verb: "get", Resource: "services", Namespace: namespace, Name: name}
	s, err := api.Ask(ctx, q.API, ask, api.ObjectOf("Service", readService))
	return &s, err
}

// slicesOf is the question for the EndpointSlices of a Service.
func slicesOf(verb string, key ServiceKey) api.Question {
	q := api.Question{Verb: verb, Resource: "endpointslices.discovery.k8s.io", Namespace: key.Namespace}
	return q.With("labelSelector", "kubernetes.io/service-name="+key.Name)
}

// EndpointSlices lists those of a Service.
func (q Questions) EndpointSlices(ctx context.Context, key ServiceKey) (Endpoints, error) {
	return api.Ask(ctx, q.API, slicesOf("list", key).With("limit", api.MaxItems), ReadSlices(key.Namespace))
}

// ServicesAt lists the Services with a ClusterIP; in all namespaces when namespace is empty.
func (q Questions) ServicesAt(ctx context.Context, namespace, clusterIP string) ([]Service, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.Cached("spec.clusterIP="+clusterIP), api.ListOf("Service", readService))
	return l.Items, err
}

// Balancers lists the Services of type LoadBalancer; in all namespaces when namespace is empty.
func (q Questions) Balancers(ctx context.Context, namespace string) ([]Service, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.Cached("spec.type=LoadBalancer"), api.ListOf("Service", readService))
	return l.Items, err
}

// Pod gets one Pod.
func (q Questions) Pod(ctx context.Context, namespace, name string) (Pod, error) {
	return api.Ask(ctx, q.API, api.Question{Verb: "get", Resource: "pods", Namespace: namespace, Name: name}, api.ObjectOf("Pod", ReadPod))
}

// PodsAt lists the Pods with a first address, other than those that have ended and may have lost it to another one; in
// all namespaces when namespace is empty.
func (q Questions) PodsAt(ctx context.Context, namespace, podIP string) ([]Pod, error) {
	ask := api.Question{Verb: "list", Resource: "pods", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.Cached("status.podIP="+podIP+",status.phase!=Succeeded,status.phase!=Failed"), api.ListOf("Pod", ReadPod))
	return l.Items, err
}

// Namespace returns api.ErrAbsent if there is no such namespace, and another error if that may not be asked.
func (q Questions) Namespace(ctx context.Context, name string) error {
	ask := api.Question{Verb: "get", Resource: "namespaces", Namespace: name, Name: name}
	_, err := api.Ask(ctx, q.API, ask, api.ObjectOf("Namespace", api.ReadName))
	return err
}

// ServiceRanges lists the ranges that ClusterIPs are taken from, as CIDRs. API servers before 1.33 do not know them.
func (q Questions) ServiceRanges(ctx context.Context) ([]string, error) {
	ask := api.Question{Verb: "list", Resource: "servicecidrs.networking.k8s.io"}
	l, err := api.Ask(ctx, q.API, ask.With("limit", api.MaxItems), api.ListOf("ServiceCIDR", readServiceCIDR))
	return joined(l.Items), err
}

// PodRanges lists the ranges of the first nodes' Pods, as CIDRs. A node's object is large, and an address in the range of a
// further one is found by asking for it.
func (q Questions) PodRanges(ctx context.Context) ([]string, error) {
	l, err := api.Ask(ctx, q.API, api.Question{Verb: "list", Resource: "nodes"}.With("limit", api.MaxItems), api.ListOf("Node", readNode))
	return joined(l.Items), err
}

func joined(lists [][]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// EachNamespace lists the names of all namespaces.
func (q Questions) EachNamespace(ctx context.Context, each func(name string)) error {
	ask := api.Question{Verb: "list", Resource: "namespaces"}
	return api.AskPages(ctx, q.API, ask, api.ListOf("Namespace", api.ReadName), func(m *api.Metadata) { each(m.Name) })
}

// EachService lists the Services of a namespace; of all of them when it is empty.
func (q Questions) EachService(ctx context.Context, namespace string, each func(*Service)) error {
	return api.AskPages(ctx, q.API, api.Question{Verb: "list", Resource: "services", Namespace: namespace}, api.ListOf("Service", readService), each)
}

// ServicesNamed lists the Services of one name in all namespaces.
func (q Questions) ServicesNamed(ctx context.Context, name string) ([]api.Metadata, error) {
	ask := api.Question{Verb: "list", Resource: "services"}
	l, err := api.Ask(ctx, q.API, ask.Cached("metadata.name="+name), api.ListOf("Service", api.ReadName))
	return l.Items, err
}

// someLimit bounds how many Services someServices lists.
const someLimit = "200"

// SomeServices lists the first Services of a namespace.
func (q Questions) SomeServices(ctx context.Context, namespace string) ([]api.Metadata, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.With("limit", someLimit), api.ListOf("Service", api.ReadName))
	return l.Items, err
}
