package objects

import (
	"context"
	"slices"
	"strings"

	"fairlead/kube/api"
	"fairlead/kube/jsonstream"
)

// Workloads are the kinds of objects that select Pods, by the label that stands for them in a host name.
var Workloads = map[string]string{"deployment": "Deployment", "statefulset": "StatefulSet", "replicaset": "ReplicaSet", "daemonset": "DaemonSet"}

// WorkloadSelector gets a workload, and returns its selector as a label selector's text; empty if it selects nothing.
func (q Questions) WorkloadSelector(ctx context.Context, kind, namespace, name string) (string, error) {
	ask := api.Question{Verb: "get", Resource: kind + "s.apps", Namespace: namespace, Name: name}
	terms, err := api.Ask(ctx, q.API, ask, api.ObjectOf(Workloads[kind], readSelector))
	return strings.Join(terms, ","), err
}

// PodsSelected lists Pods by a label selector.
func (q Questions) PodsSelected(ctx context.Context, namespace, selector string) ([]Pod, error) {
	ask := api.Question{Verb: "list", Resource: "pods", Namespace: namespace}
	l, err := api.Ask(ctx, q.API, ask.With("labelSelector", selector).With("limit", api.MaxItems), api.ListOf("Pod", ReadPod))
	return l.Items, err
}

// readSelector reads the selector of a workload, as terms of a label selector's text.
func readSelector(r *jsonstream.Reader, terms *[]string, key string) {
	if key != "spec" {
		return
	}
	r.Object(func(key string) {
		if key != "selector" {
			return
		}
		r.Object(func(key string) {
			switch key {
			case "matchLabels":
				r.Object(func(label string) { *terms = append(*terms, label+"="+r.Text(api.MaxName)) })
			case "matchExpressions":
				r.Array(func() { *terms = append(*terms, readRequirement(r)) })
			}
		})
	})
	slices.Sort(*terms)
}

// readRequirement reads one requirement of a selector.
func readRequirement(r *jsonstream.Reader) string {
	var label, operator string
	var values []string
	r.Object(func(key string) {
		switch key {
		case "key":
			label = r.Text(api.MaxName)
		case "operator":
			operator = r.Text(api.MaxName)
		case "values":
			r.Array(func() { values = append(values, r.Text(api.MaxName)) })
		}
	})
	switch operator {
	case "Exists":
		return label
	case "DoesNotExist":
		return "!" + label
	}
	return label + " " + strings.ToLower(operator) + " (" + strings.Join(values, ",") + ")"
}
