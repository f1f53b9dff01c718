package egress

import (
	"context"
	"errors"
	"strings"

	"fairlead/kube/api"
	"fairlead/kube/jsonstream"
)

// A resource is a kind of object that is made, and the name by which the API has it.
type resource struct{ kind, name string }

var (
	secrets     = resource{"Secret", "secrets"}
	services    = resource{"Service", "services"}
	deployments = resource{"Deployment", "deployments.apps"}
)

// right returns a right to the resource.
func (r resource) right(verb string) api.Right {
	name, group, _ := strings.Cut(r.name, ".")
	return api.Right{Verb: verb, Group: group, Resource: name}
}

// found is what is read of an object in the cluster.
type found struct {
	uid        string // empty if there is none
	ours       bool   // it has our label
	deleted    bool
	generation int
	kind       Kind
	tlsSecret  string

	// Of a Deployment.
	image      string
	ready      int
	observed   int
	conditions []condition
}

// condition is an entry of an object's status.conditions.
type condition struct{ kind, status, reason, message string }

// read returns the object of our name, whether it is ours or not.
func read(ctx context.Context, client *api.Client, namespace string, of resource) (found, error) {
	q := api.Question{Verb: "get", Resource: of.name, Namespace: namespace, Name: Name}
	got, err := api.Ask(ctx, client, q, api.ObjectOf(of.kind, readObject))
	if errors.Is(err, api.ErrAbsent) {
		return found{}, nil
	}
	return got, err
}

func readObject(r *jsonstream.Reader, f *found, key string) {
	switch key {
	case "metadata":
		r.Object(func(key string) {
			switch key {
			case "uid":
				f.uid = r.Text(api.MaxName)
			case "generation":
				f.generation = r.Int()
			case "deletionTimestamp":
				f.deleted = r.Text(api.MaxName) != ""
			case "labels":
				r.Object(func(key string) {
					if key == labelManagedBy {
						f.ours = r.Text(api.MaxName) == managedBy
					}
				})
			case "annotations":
				r.Object(func(key string) {
					switch key {
					case kindAnnotation:
						f.kind = Kind(r.Text(api.MaxName))
					case secretAnnotation:
						f.tlsSecret = r.Text(api.MaxName)
					}
				})
			}
		})
	case "spec":
		readField(r, "template", func() { readField(r, "spec", func() { f.image = readImage(r) }) })
	case "status":
		r.Object(func(key string) {
			switch key {
			case "readyReplicas":
				f.ready = r.Int()
			case "observedGeneration":
				f.observed = r.Int()
			case "conditions":
				f.conditions = jsonstream.List(r, func() condition { return readCondition(r) })
			}
		})
	}
}

// readField reads one field of an object.
func readField(r *jsonstream.Reader, name string, read func()) {
	r.Object(func(key string) {
		if key == name {
			read()
		}
	})
}

// readImage reads the image of the first container of a Pod's specification.
func readImage(r *jsonstream.Reader) (image string) {
	readField(r, "containers", func() {
		r.Array(func() {
			readField(r, "image", func() {
				if text := r.Text(api.MaxText); image == "" {
					image = text
				}
			})
		})
	})
	return image
}

func readCondition(r *jsonstream.Reader) (c condition) {
	r.Object(func(key string) {
		switch key {
		case "type":
			c.kind = r.Text(api.MaxName)
		case "status":
			c.status = r.Text(api.MaxName)
		case "reason":
			c.reason = r.Text(api.MaxName)
		case "message":
			c.message = r.Text(api.MaxText)
		}
	})
	return c
}

// pod is what is read of a Pod: why it is not ready.
type pod struct {
	conditions []condition
	waiting    []condition // of its containers, with reason and message
	ended      []condition // of its containers, as they ended last
}

// pods returns the proxy's Pods. A user who may not list them gets none.
func pods(ctx context.Context, client *api.Client, namespace string) ([]pod, error) {
	q := api.Question{Verb: "list", Resource: "pods", Namespace: namespace}.With("labelSelector", labelName+"="+Name).With("limit", "20")
	got, err := api.Ask(ctx, client, q, api.ListOf("Pod", readPod))
	if api.IsForbidden(err) {
		return nil, nil
	}
	return got.Items, err
}

func readPod(r *jsonstream.Reader, p *pod, key string) {
	if key != "status" {
		return
	}
	r.Object(func(key string) {
		switch key {
		case "conditions":
			p.conditions = jsonstream.List(r, func() condition { return readCondition(r) })
		case "containerStatuses":
			r.Array(func() {
				r.Object(func(key string) {
					switch key {
					case "state":
						readField(r, "waiting", func() { p.waiting = append(p.waiting, readCondition(r)) })
					case "lastState":
						readField(r, "terminated", func() { p.ended = append(p.ended, readCondition(r)) })
					}
				})
			})
		}
	})
}
