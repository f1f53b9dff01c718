package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
)

// The bounds of lists that are asked for in parts: objects in one answer, answers, and the memory of all of them.
const (
	pageSize     = "500"
	maxPages     = 40
	maxAllMemory = 32 << 20
)

// A Question is a request to the API server, in RBAC's terms.
type Question struct {
	Verb      string // "get", "list", "watch", "create", "delete"
	Resource  string // with its API group, as in "endpointslices.discovery.k8s.io", or a path
	Namespace string // empty for all of them
	Name      string // of the object; empty for a list
	query     url.Values
	body      any // the object to create, or the options of a delete
}

// With returns the question with one more query parameter.
func (q Question) With(key, value string) Question {
	query := url.Values{key: {value}}
	for other, values := range q.query {
		query[other] = values
	}
	q.query = query
	return q
}

// Cached returns the question with a field selector, and lets the API server answer from its cache instead of its
// database: the list may be slightly old.
func (q Question) Cached(fieldSelector string) Question {
	return q.With("fieldSelector", fieldSelector).With("resourceVersion", "0")
}

// path returns the question's path below the API server's URL, in segments. A name that would lead to another path gives
// ErrAbsent: no object can have it.
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

// payload returns the body of the question's HTTP request; nil for none.
func (q Question) payload() ([]byte, error) {
	if q.body == nil {
		return nil, nil
	}
	return json.Marshal(q.body)
}

// AskPages asks for a list in parts, so that no answer is large, and calls each with every item.
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

// A Right is an action in RBAC's terms, as in a SelfSubjectAccessReview.
type Right struct {
	Namespace   string `json:"namespace,omitempty"`
	Verb        string `json:"verb"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
}

// String returns the verb and the resource, as in "get pods/portforward".
func (r Right) String() string {
	text := r.Verb + " " + r.Resource
	if r.Subresource != "" {
		text += "/" + r.Subresource
	}
	return text
}

// May reports whether the context's user has a right. Every logged-in user may ask that.
func (a *Client) May(ctx context.Context, wanted Right) (bool, error) {
	q := Question{Verb: "create", Resource: "selfsubjectaccessreviews.authorization.k8s.io"}
	q.body = map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": wanted},
	}
	return Ask(ctx, a, q, ObjectOf("SelfSubjectAccessReview", readReview))
}

// MayEach returns which of some rights the user has in a namespace. The rights have no namespace of their own. It asks for all
// of them at the same time.
func (a *Client) MayEach(ctx context.Context, namespace string, rights ...Right) (map[Right]bool, error) {
	answers := make([]bool, len(rights))
	var group errgroup.Group
	for i, right := range rights {
		right.Namespace = namespace
		group.Go(func() (err error) {
			answers[i], err = a.May(ctx, right)
			return err
		})
	}
	err := group.Wait()
	has := make(map[Right]bool, len(rights))
	for i, right := range rights {
		has[right] = answers[i]
	}
	return has, err
}
