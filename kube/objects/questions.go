package objects

import (
	"context"

	"fairlead/kube/api"
)

// Questions asks the API server for the objects that resolving names needs.
type Questions struct{ API *api.Client }

// Service gets one Service.
func (q Questions) Service(ctx context.Context, namespace, name string) (*Service, error) {
	ask := api.Question{Verb: "get", Resource: "services", Namespace: namespace, Name: name}
	s, err := api.Ask(ctx, q.API, ask, api.ObjectOf("Service", readService))
	return &s, err
}

// slicesOf returns the question for the EndpointSlices of a Service.
func slicesOf(verb string, key ServiceKey) api.Question {
	q := api.Question{Verb: verb, Resource: "endpointslices.discovery.k8s.io", Namespace: key.Namespace}
	return q.With("labelSelector", "kubernetes.io/service-name="+key.Name)
}

// EndpointSlices lists the EndpointSlices of a Service.
func (q Questions) EndpointSlices(ctx context.Context, key ServiceKey) (Endpoints, error) {
	return api.Ask(ctx, q.API, slicesOf("list", key).With("limit", api.MaxItems), ReadSlices(key.Namespace))
}

// ServicesAt lists the Services that have a ClusterIP; in all namespaces if namespace is empty.
func (q Questions) ServicesAt(ctx context.Context, namespace, clusterIP string) ([]Service, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.Cached("spec.clusterIP="+clusterIP), api.ListOf("Service", readService))
	return l.Items, err
}

// Balancers lists the Services of type LoadBalancer; in all namespaces if namespace is empty.
func (q Questions) Balancers(ctx context.Context, namespace string) ([]Service, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.Cached("spec.type=LoadBalancer"), api.ListOf("Service", readService))
	return l.Items, err
}

// Pod gets one Pod.
func (q Questions) Pod(ctx context.Context, namespace, name string) (Pod, error) {
	return api.Ask(ctx, q.API, api.Question{Verb: "get", Resource: "pods", Namespace: namespace, Name: name}, api.ObjectOf("Pod", ReadPod))
}

// PodsAt lists the Pods that have podIP as their first address; in all namespaces if namespace is empty. It omits Pods that
// have ended, since another Pod may have got their address.
func (q Questions) PodsAt(ctx context.Context, namespace, podIP string) ([]Pod, error) {
	ask := api.Question{Verb: "list", Resource: "pods", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.Cached("status.podIP="+podIP+",status.phase!=Succeeded,status.phase!=Failed"), api.ListOf("Pod", ReadPod))
	return l.Items, err
}

// Namespace returns nil if a namespace exists, api.ErrAbsent if it does not, and another error if the user may not ask.
func (q Questions) Namespace(ctx context.Context, name string) error {
	ask := api.Question{Verb: "get", Resource: "namespaces", Namespace: name, Name: name}
	_, err := api.Ask(ctx, q.API, ask, api.ObjectOf("Namespace", api.ReadName))
	return err
}

// ServiceRanges lists the ranges of ClusterIPs, as CIDRs. API servers before 1.33 do not have them.
func (q Questions) ServiceRanges(ctx context.Context) ([]string, error) {
	ask := api.Question{Verb: "list", Resource: "servicecidrs.networking.k8s.io"}
	l, err := api.Ask(ctx, q.API, ask.With("limit", api.MaxItems), api.ListOf("ServiceCIDR", readServiceCIDR))
	return joined(l.Items), err
}

// PodRanges lists the ranges of the Pods of the first nodes, as CIDRs. It does not list all nodes, because their objects are
// large, and an address in the range of another node is found by asking for the address.
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

// EachNamespace lists all namespaces, and calls each with every name.
func (q Questions) EachNamespace(ctx context.Context, each func(name string)) error {
	ask := api.Question{Verb: "list", Resource: "namespaces"}
	return api.AskPages(ctx, q.API, ask, api.ListOf("Namespace", api.ReadName), func(m *api.Metadata) { each(m.Name) })
}

// EachService lists the Services of a namespace, or of all namespaces if it is empty, and calls each with every one.
func (q Questions) EachService(ctx context.Context, namespace string, each func(*Service)) error {
	return api.AskPages(ctx, q.API, api.Question{Verb: "list", Resource: "services", Namespace: namespace}, api.ListOf("Service", readService), each)
}

// ServicesNamed lists the Services with a name in all namespaces.
func (q Questions) ServicesNamed(ctx context.Context, name string) ([]api.Metadata, error) {
	ask := api.Question{Verb: "list", Resource: "services"}
	l, err := api.Ask(ctx, q.API, ask.Cached("metadata.name="+name), api.ListOf("Service", api.ReadName))
	return l.Items, err
}

// someLimit bounds how many Services SomeServices lists.
const someLimit = "200"

// SomeServices lists the first Services of a namespace.
func (q Questions) SomeServices(ctx context.Context, namespace string) ([]api.Metadata, error) {
	ask := api.Question{Verb: "list", Resource: "services", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.With("limit", someLimit), api.ListOf("Service", api.ReadName))
	return l.Items, err
}
