package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// maxCatalogue bounds how many Services, and how many namespaces, are listed.
const maxCatalogue = 20_000

// A Service is an entry in the list of Services.
type Service struct {
	Namespace, Name string
	Ports           []ServicePort // the TCP ports; others cannot be forwarded
	External        string        // the host of an ExternalName
}

// A ServicePort is a TCP port of a Service.
type ServicePort struct {
	Number int
	Name   string // may be empty if it is the only port
}

// Namespaces returns the cluster's namespaces, sorted. If the user may not list them, it returns the context's, the policy's
// and those in which something was found. Errors are those of package fault.
func (c *Cluster) Namespaces(ctx context.Context) ([]string, error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	defer end()
	var list []string
	err = c.resolver.ask.EachNamespace(ctx, func(name string) {
		if len(list) < maxCatalogue {
			list = append(list, name)
		}
	})
	if api.IsForbidden(err) {
		list, err = c.resolver.namespaces.visible(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", unsupported(err))
	}
	slices.Sort(list)
	return list, nil
}

// Services returns the Services of a namespace, sorted by name. If namespace is empty, it returns those of all namespaces
// or, if that is forbidden, of the namespaces that Namespaces returns then, as far as the user may list them. Errors are
// those of package fault.
func (c *Cluster) Services(ctx context.Context, namespace string) ([]Service, error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("list Services: %w", err)
	}
	defer end()
	list, err := listEverywhere(c.resolver.namespaces, "services", namespace, func(namespace string) ([]Service, error) {
		return c.resolver.listServices(ctx, namespace)
	})
	if err != nil {
		return nil, fmt.Errorf("list Services: %w", unsupported(err))
	}
	slices.SortFunc(list, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// listServices asks for the Services of a namespace.
func (l *serviceLookup) listServices(ctx context.Context, namespace string) (list []Service, err error) {
	err = l.ask.EachService(ctx, namespace, func(s *objects.Service) {
		if len(list) < maxCatalogue {
			list = append(list, newService(s))
			l.seen.addService(s)
		}
	})
	return list, err
}

// newService returns the entry for a Service.
func newService(found *objects.Service) Service {
	s := Service{Namespace: found.Namespace, Name: found.Name, External: api.Excerpt(found.ExternalName)}
	for _, p := range found.Ports {
		if p.Protocol == objects.ProtocolTCP {
			s.Ports = append(s.Ports, ServicePort{p.Number, p.Name})
		}
	}
	return s
}

// unsupported returns err, or a *fault.Unsupported if err is a 404 for a whole list, which no Kubernetes returns.
func unsupported(err error) error {
	if errors.Is(err, api.ErrAbsent) {
		return &fault.Unsupported{What: "the API server knows no such list"}
	}
	return err
}
