package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// The bounds of lists: objects in one answer, and answers to one question.
const (
	pageSize = "500"
	maxPages = 40
)

// pod gets one Pod.
func (a *api) pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	answer := &corev1.Pod{}
	asked := question{verb: "get", resource: "pods", namespace: namespace, name: name}
	return answer, a.ask(ctx, asked, answer, func() *rest.Request {
		return a.core.Get().Namespace(namespace).Resource("pods").Name(name)
	})
}

// balancers lists the Services of type LoadBalancer; in all namespaces when namespace is empty.
func (a *api) balancers(ctx context.Context, namespace string) ([]corev1.Service, error) {
	answer := &corev1.ServiceList{}
	selector := fields.OneTermEqualSelector("spec.type", string(corev1.ServiceTypeLoadBalancer)).String()
	err := a.ask(ctx, question{verb: "list", resource: "services", namespace: namespace}, answer, func() *rest.Request {
		return cached(a.core.Get().NamespaceIfScoped(namespace, namespace != "").Resource("services"), selector)
	})
	return answer.Items, err
}

// serviceRanges lists the ranges that ClusterIPs are taken from, as CIDRs. API servers before 1.33 do not know them.
func (a *api) serviceRanges(ctx context.Context) (cidrs []string, err error) {
	answer := &networkingv1.ServiceCIDRList{}
	err = a.ask(ctx, question{verb: "list", resource: "servicecidrs.networking.k8s.io"}, answer, func() *rest.Request {
		return a.networking.Get().Resource("servicecidrs").Param("limit", maxItems)
	})
	for _, r := range answer.Items {
		cidrs = append(cidrs, r.Spec.CIDRs...)
	}
	return cidrs, err
}

// podRanges lists the ranges of the first nodes' Pods, as CIDRs. A node's object is large, and an address in the range of a
// further one is found by asking for it.
func (a *api) podRanges(ctx context.Context) (cidrs []string, err error) {
	answer := &corev1.NodeList{}
	err = a.ask(ctx, question{verb: "list", resource: "nodes"}, answer, func() *rest.Request {
		return a.core.Get().Resource("nodes").Param("limit", maxItems)
	})
	for _, node := range answer.Items {
		cidrs = append(cidrs, node.Spec.PodCIDR)
		cidrs = append(cidrs, node.Spec.PodCIDRs...)
	}
	return cidrs, err
}

// eachNamespace lists all namespaces.
func (a *api) eachNamespace(ctx context.Context, each func(*corev1.Namespace)) error {
	asked := question{verb: "list", resource: "namespaces"}
	return pages(ctx, a, asked, func() *rest.Request {
		return a.core.Get().Resource("namespaces")
	}, func(list *corev1.NamespaceList) {
		for i := range list.Items {
			each(&list.Items[i])
		}
	})
}

// eachService lists the Services of a namespace; of all of them when it is empty.
func (a *api) eachService(ctx context.Context, namespace string, each func(*corev1.Service)) error {
	asked := question{verb: "list", resource: "services", namespace: namespace}
	return pages(ctx, a, asked, func() *rest.Request {
		return a.core.Get().NamespaceIfScoped(namespace, namespace != "").Resource("services")
	}, func(list *corev1.ServiceList) {
		for i := range list.Items {
			each(&list.Items[i])
		}
	})
}

// pages asks for a list in parts, so that none is large.
func pages[T any, L interface {
	*T
	runtime.Object
	metav1.ListInterface
}](ctx context.Context, a *api, asked question, request func() *rest.Request, take func(L)) error {
	next := ""
	for range maxPages {
		part := L(new(T))
		from := next
		err := a.ask(ctx, asked, part, func() *rest.Request {
			r := request().Param("limit", pageSize)
			if from != "" {
				r.Param("continue", from)
			}
			return r
		})
		if err != nil {
			return err
		}
		take(part)
		if next = part.GetContinue(); next == "" {
			break
		}
	}
	return nil
}
