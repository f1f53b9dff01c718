package kube

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
)

// The bounds of lists that are asked for in parts: objects in one answer, answers to one question, and the memory that all
// of them take.
const (
	pageSize     = "500"
	maxPages     = 40
	maxAllMemory = 32 << 20
)

// A question says what is asked of the API server, in RBAC's words.
type question struct {
	verb      string // "get", "list", "watch", "create"
	resource  string // with its API group, as in "endpointslices.discovery.k8s.io", or a path
	namespace string // empty for all of them
	name      string // of the object; empty for a list
	query     url.Values
	body      any // of what is to be created
}

// with returns the question with one more parameter.
func (q question) with(key, value string) question {
	query := url.Values{key: {value}}
	for other, values := range q.query {
		query[other] = values
	}
	q.query = query
	return q
}

// cached selects objects by fields, and lets the API server answer from its memory: the list may be a moment old, and its
// database is left alone.
func (q question) cached(fieldSelector string) question {
	return q.with("fieldSelector", fieldSelector).with("resourceVersion", "0")
}

// path returns where the question is put, as segments below the API server's own URL. A name that would lead out of its place
// is none.
func (q question) path() ([]string, error) {
	if strings.HasPrefix(q.resource, "/") {
		return []string{q.resource}, nil
	}
	resource, group, _ := strings.Cut(q.resource, ".")
	path := []string{"api", "v1"}
	if group != "" {
		path = []string{"apis", group, "v1"}
	}
	if q.namespace != "" && resource != "namespaces" {
		path = append(path, "namespaces", q.namespace)
	}
	path = append(path, resource)
	if q.name != "" {
		path = append(path, q.name)
	}
	for i, segment := range path {
		if segment == "." || segment == ".." {
			return nil, errAbsent
		}
		path[i] = url.PathEscape(segment)
	}
	return path, nil
}

func (a *api) service(ctx context.Context, namespace, name string) (*service, error) {
	q := question{verb: "get", resource: "services", namespace: namespace, name: name}
	s, err := askFor(ctx, a, q, objectOf("Service", readService))
	return &s, err
}

// slicesOf is the question for the EndpointSlices of a Service.
func slicesOf(verb string, key serviceKey) question {
	q := question{verb: verb, resource: "endpointslices.discovery.k8s.io", namespace: key.namespace}
	return q.with("labelSelector", "kubernetes.io/service-name="+key.name)
}

func (a *api) endpointSlices(ctx context.Context, key serviceKey) (endpointSet, error) {
	return askFor(ctx, a, slicesOf("list", key).with("limit", maxItems), readSlices(key.namespace))
}

// servicesAt lists the Services with a ClusterIP; in all namespaces when namespace is empty.
func (a *api) servicesAt(ctx context.Context, namespace, clusterIP string) ([]service, error) {
	q := question{verb: "list", resource: "services", namespace: namespace}
	l, err := askFor(ctx, a, q.cached("spec.clusterIP="+clusterIP), listOf("Service", readService))
	return l.items, err
}

// balancers lists the Services of type LoadBalancer; in all namespaces when namespace is empty.
func (a *api) balancers(ctx context.Context, namespace string) ([]service, error) {
	q := question{verb: "list", resource: "services", namespace: namespace}
	l, err := askFor(ctx, a, q.cached("spec.type=LoadBalancer"), listOf("Service", readService))
	return l.items, err
}

// pod gets one Pod.
func (a *api) pod(ctx context.Context, namespace, name string) (podFacts, error) {
	return askFor(ctx, a, question{verb: "get", resource: "pods", namespace: namespace, name: name}, objectOf("Pod", readPod))
}

// podsAt lists the Pods with a first address, other than those that have ended and may have lost it to another one; in
// all namespaces when namespace is empty.
func (a *api) podsAt(ctx context.Context, namespace, podIP string) ([]podFacts, error) {
	q := question{verb: "list", resource: "pods", namespace: namespace}
	l, err := askFor(ctx, a, q.cached("status.podIP="+podIP+",status.phase!=Succeeded,status.phase!=Failed"), listOf("Pod", readPod))
	return l.items, err
}

// namespace tells whether a namespace is there; an error of its own when that may not be asked.
func (a *api) namespace(ctx context.Context, name string) error {
	q := question{verb: "get", resource: "namespaces", namespace: name, name: name}
	_, err := askFor(ctx, a, q, objectOf("Namespace", readName))
	return err
}

// serviceRanges lists the ranges that ClusterIPs are taken from, as CIDRs. API servers before 1.33 do not know them.
func (a *api) serviceRanges(ctx context.Context) ([]string, error) {
	q := question{verb: "list", resource: "servicecidrs.networking.k8s.io"}
	l, err := askFor(ctx, a, q.with("limit", maxItems), listOf("ServiceCIDR", readServiceCIDR))
	return joined(l.items), err
}

// podRanges lists the ranges of the first nodes' Pods, as CIDRs. A node's object is large, and an address in the range of a
// further one is found by asking for it.
func (a *api) podRanges(ctx context.Context) ([]string, error) {
	l, err := askFor(ctx, a, question{verb: "list", resource: "nodes"}.with("limit", maxItems), listOf("Node", readNode))
	return joined(l.items), err
}

func joined(lists [][]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// A right is what a user may do, as a SelfSubjectAccessReview has it.
type right struct {
	Namespace   string `json:"namespace,omitempty"`
	Verb        string `json:"verb"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
}

// review asks whether the context's user has verb on port-forwards in namespace. Every user who is logged in may ask.
func (a *api) review(ctx context.Context, namespace, verb string) (bool, error) {
	return a.may(ctx, right{Namespace: namespace, Verb: verb, Resource: "pods", Subresource: "portforward"})
}

// may asks for one right of the user.
func (a *api) may(ctx context.Context, wanted right) (bool, error) {
	q := question{verb: "create", resource: "selfsubjectaccessreviews.authorization.k8s.io"}
	q.body = map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": wanted},
	}
	return askFor(ctx, a, q, objectOf("SelfSubjectAccessReview", readReview))
}

// eachNamespace lists the names of all namespaces.
func (a *api) eachNamespace(ctx context.Context, each func(name string)) error {
	q := question{verb: "list", resource: "namespaces"}
	return pages(ctx, a, q, listOf("Namespace", readName), func(m *metadata) { each(m.name) })
}

// eachService lists the Services of a namespace; of all of them when it is empty.
func (a *api) eachService(ctx context.Context, namespace string, each func(*service)) error {
	return pages(ctx, a, question{verb: "list", resource: "services", namespace: namespace}, listOf("Service", readService), each)
}

// pages asks for a list in parts, so that none is large.
func pages[T any](ctx context.Context, a *api, q question, read func(*jsonstream.Reader) objectList[T], each func(*T)) error {
	q = q.with("limit", pageSize)
	next, cost := q, 0
	for range maxPages {
		part, err := askFor(ctx, a, next, read)
		if err != nil {
			return err
		}
		if cost += part.cost; cost > maxAllMemory {
			return &fault.Oversized{Server: a.faults.server, Of: fault.Memory, Bound: maxAllMemory}
		}
		for i := range part.items {
			each(&part.items[i])
		}
		if part.next == "" {
			break
		}
		next = q.with("continue", part.next)
	}
	return nil
}

// payload is what is sent with a question; nil for nothing.
func (q question) payload() ([]byte, error) {
	if q.body == nil {
		return nil, nil
	}
	return json.Marshal(q.body)
}
