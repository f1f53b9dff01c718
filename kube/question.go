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

// payload is what is sent with a question; nil for nothing.
func (q question) payload() ([]byte, error) {
	if q.body == nil {
		return nil, nil
	}
	return json.Marshal(q.body)
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
