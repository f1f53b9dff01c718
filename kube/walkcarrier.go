package kube

import (
	"cmp"
	"context"

	"golang.org/x/sync/errgroup"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

// The rights that dials need, without their namespaces.
var (
	getServices   = api.Right{Verb: "get", Resource: "services"}
	listSlices    = api.Right{Verb: "list", Group: "discovery.k8s.io", Resource: "endpointslices"}
	getPods       = api.Right{Verb: "get", Resource: "pods"}
	createForward = api.Right{Verb: "create", Resource: "pods", Subresource: "portforward"}
	getForward    = api.Right{Verb: "get", Resource: "pods", Subresource: "portforward"}
)

// rights returns which of the rights that a dial needs the user has.
func (w *walk) rights(ctx context.Context) (string, error) {
	w.trace.enter(StepRights)
	namespace, of := w.cluster.Namespace(), serviceName
	if w.host != nil {
		n := w.host.name
		if completed, err := w.cluster.resolver.complete(ctx, n); err == nil {
			n = completed // a later step reports the error
		}
		namespace, of = cmp.Or(n.namespace, namespace), n.meaning
	}
	where := "in namespace " + namespace
	asked := []api.Right{getServices, listSlices, createForward, getForward}
	if w.cluster.ownCarrier {
		asked = []api.Right{getServices, listSlices, getPods}
	}
	has, err := w.cluster.may(ctx, namespace, asked...)
	if err != nil {
		return where, err
	}
	noService := of != serviceName && of != memberName
	switch {
	case !has[getServices] && !noService:
		return where, &fault.Forbidden{Verbs: []string{"get"}, Resource: "services", Namespace: namespace}
	case !has[listSlices] && !noService:
		return where, &fault.Forbidden{Verbs: []string{"list"}, Resource: "endpointslices.discovery.k8s.io", Namespace: namespace}
	case w.cluster.ownCarrier && of == podName && !has[getPods]:
		return where, &fault.Forbidden{Verbs: []string{"get"}, Resource: "pods", Namespace: namespace}
	case w.cluster.ownCarrier && of == podName:
		return "get pods " + where, nil
	case w.cluster.ownCarrier && noService:
		return "none " + where, nil
	case w.cluster.ownCarrier:
		return "get services, list endpointslices " + where, nil
	case !has[createForward] && !has[getForward]:
		return where, &fault.Forbidden{Verbs: []string{"get", "create"}, Resource: "pods/portforward", Namespace: namespace}
	}
	detail := "get services, list endpointslices, port-forward to Pods " + where
	if noService {
		detail = "port-forward to Pods " + where
	}
	switch {
	case !has[createForward]:
		detail += " (by get alone: through WebSockets only)"
	case !has[getForward]:
		detail += " (by create alone: through SPDY only)"
	}
	return detail, nil
}

// may returns which of some rights the user has in a namespace. It asks for all of them at the same time.
func (c *Cluster) may(ctx context.Context, namespace string, rights ...api.Right) (map[api.Right]bool, error) {
	answers := make([]bool, len(rights))
	var group errgroup.Group
	for i, right := range rights {
		right.Namespace = namespace
		group.Go(func() (err error) {
			answers[i], err = c.api.May(ctx, right)
			return err
		})
	}
	err := group.Wait()
	has := make(map[api.Right]bool, len(rights))
	for i, right := range rights {
		has[right] = answers[i]
	}
	return has, err
}

// probe checks a carrier that needs more than the API server. It makes the step once, and none for other carriers.
func (w *walk) probe(ctx context.Context) (string, error) {
	prober, ok := w.cluster.carrier.(carrier.Prober)
	if !ok || w.probed {
		return "", nil
	}
	w.probed = true
	w.trace.enter(StepKonnectivity)
	return prober.Probe(ctx)
}
