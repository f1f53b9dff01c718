package api

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

// A Question says what is asked of the API server, in RBAC's words.
type Question struct {
	Verb      string // "get", "list", "watch", "create"
	Resource  string // with its API group, as in "endpointslices.discovery.k8s.io", or a path
	Namespace string // empty for all of them
	Name      string // of the object; empty for a list
	query     url.Values
	body      any // of what is to be created
}

// With returns the question with one more parameter.
func (q Question) With(key, value string) Question {
	query := url.Values{key: {value}}
	for other, values := range q.query {
		query[other] = values
	}
	q.query = query
	return q
}

// Cached selects objects by fields, and lets the API server answer from its memory: the list may be a moment old, and its
// database is left alone.
func (q Question) Cached(fieldSelector string) Question {
	return q.With("fieldSelector", fieldSelector).With("resourceVersion", "0")
}

// path returns where the question is put, as segments below the API server's own URL. A name that would lead out of its place
// is none.
func (q Question) path() ([]string, error) {
	if strings.HasPrefix(q.Resource, "/") {
		return []string{q.Resource}, nil
	}
	resource, group, _ := strings.Cut(q.Resource, ".")
	path := []string{"api", "v1"}
	if group != "" {
		path = []string{"apis", group, "v1"}
	}
	if q.Namespace != "" && resource != "namespaces" {
		path = append(path, "namespaces", q.Namespace)
	}
	path = append(path, resource)
	if q.Name != "" {
		path = append(path, q.Name)
	}
	for i, segment := range path {
		if segment == "." || segment == ".." {
			return nil, ErrAbsent
		}
		path[i] = url.PathEscape(segment)
	}
	return path, nil
}

// payload is what is sent with a question; nil for nothing.
func (q Question) payload() ([]byte, error) {
	if q.body == nil {
		return nil, nil
	}
	return json.Marshal(q.body)
}

// AskPages asks for a list in parts, so that none is large.
func AskPages[T any](ctx context.Context, a *Client, q Question, read func(*jsonstream.Reader) List[T], each func(*T)) error {
	q = q.With("limit", pageSize)
	next, cost := q, 0
	for range maxPages {
		part, err := Ask(ctx, a, next, read)
		if err != nil {
			return err
		}
		if cost += part.cost; cost > maxAllMemory {
			return &fault.Oversized{Server: a.Faults.Server, Of: fault.Memory, Bound: maxAllMemory}
		}
		for i := range part.Items {
			each(&part.Items[i])
		}
		if part.next == "" {
			break
		}
		next = q.With("continue", part.next)
	}
	return nil
}

// A Right is what a user may do, as a SelfSubjectAccessReview has it.
type Right struct {
	Namespace   string `json:"namespace,omitempty"`
	Verb        string `json:"verb"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
}

// MayForward asks whether the context's user has verb on port-forwards in namespace. Every user who is logged in may ask.
func (a *Client) MayForward(ctx context.Context, namespace, verb string) (bool, error) {
	return a.May(ctx, Right{Namespace: namespace, Verb: verb, Resource: "pods", Subresource: "portforward"})
}

// May asks for one right of the user.
func (a *Client) May(ctx context.Context, wanted Right) (bool, error) {
	q := Question{Verb: "create", Resource: "selfsubjectaccessreviews.authorization.k8s.io"}
	q.body = map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": wanted},
	}
	return Ask(ctx, a, q, ObjectOf("SelfSubjectAccessReview", readReview))
}
