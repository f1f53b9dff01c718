package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
)

// Create creates an object of a resource. It is sent once: if no answer comes, the object may have been created all the
// same. Errors are faults, a *fault.Denied among them.
func (a *Client) Create(ctx context.Context, q Question, object any) (Metadata, error) {
	q.Verb, q.body = "create", object
	named := q
	named.Name = "" // the path of a new object is its list's
	return change(ctx, a, named, q.Name, func(r *jsonstream.Reader) (made Metadata) {
		r.Object(func(key string) { ReadName(r, &made, key) })
		return made
	})
}

// Delete deletes an object and what belongs to it, if it still has this UID. ErrAbsent means that there is none of its name.
func (a *Client) Delete(ctx context.Context, q Question, uid string) error {
	q.Verb = "delete"
	q.body = map[string]any{
		"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground", "preconditions": map[string]string{"uid": uid},
	}
	_, err := change(ctx, a, q, q.Name, func(r *jsonstream.Reader) struct{} { r.Skip(); return struct{}{} })
	return err
}

// change sends a change once, or again if the API server refused the credentials and there may be others by now.
func change[T any](ctx context.Context, a *Client, q Question, name string, read func(*jsonstream.Reader) T) (T, error) {
	var none T
	if err := a.Login.Ensure(ctx); err != nil {
		a.Health.observe(err)
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	a.Asked.Add(1)
	value, err := receive(ctx, a, a.client, q, read)
	if a.refreshes && isUnauthorized(err) {
		a.CloseIdle()
		if err = a.Login.Ensure(ctx); err == nil {
			value, err = receive(ctx, a, a.client, q, read)
		}
	}
	if denied := deniedBy(err, q, name); denied != nil {
		a.Health.observe(nil)
		return none, denied
	}
	err = a.Login.Explain(a.Faults.from(err, q))
	a.Health.observe(err)
	return value, err
}

// deniedBy returns the *fault.Denied that an error stands for, or nil.
func deniedBy(err error, q Question, name string) error {
	status, ok := errors.AsType[*StatusError](err)
	switch {
	case !ok || status.foreign || status.message == "", status.code == http.StatusUnauthorized, status.after > 0:
		return nil
	case status.code == http.StatusTooManyRequests, status.code > http.StatusInternalServerError:
		return nil // the API server itself cannot answer now
	case status.code == http.StatusForbidden && strings.Contains(status.message, " cannot "+q.Verb+" resource "):
		return nil // the user lacks the right
	case status.code == http.StatusNotFound && q.Verb != "create":
		return nil
	}
	return &fault.Denied{Verb: q.Verb, Resource: q.Resource, Namespace: q.Namespace, Name: name, Text: Excerpt(status.message)}
}
