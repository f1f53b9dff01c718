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

// maxCatalogue bounds how many Services and how many namespaces a catalogue has.
const maxCatalogue = 20_000

// A Service is one entry of the catalogue.
type Service struct {
	Namespace, Name string
	Ports           []ServicePort // the TCP ports; one of another protocol alone cannot be carried
	External        string        // of an ExternalName: the host it stands for
}

// A ServicePort is a TCP port of a Service.
type ServicePort struct {
	Number int
	Name   string // may be empty where it is the only one
}

// Namespaces lists the cluster's namespaces, in order. Where they may not be listed, it gives the context's, the policy's
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
		return nil, fmt.Errorf("list namespaces: %w", known(err))
	}
	slices.Sort(list)
	return list, nil
}

// Services lists the Services of a namespace in the order of their names; those of all namespaces when it is empty, and
// where that is forbidden, of those that Namespaces gives, as far as they may be listed. Errors are those of package fault.
func (c *Cluster) Services(ctx context.Context, namespace string) ([]Service, error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("list Services: %w", err)
	}
	defer end()
	list, err := everywhere(c.resolver.namespaces, "services", namespace, func(namespace string) ([]Service, error) {
		return c.resolver.catalogued(ctx, namespace)
	})
	if err != nil {
		return nil, fmt.Errorf("list Services: %w", known(err))
	}
	slices.SortFunc(list, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

func (r *resolver) catalogued(ctx context.Context, namespace string) (list []Service, err error) {
	err = r.ask.EachService(ctx, namespace, func(s *objects.Service) {
		if len(list) < maxCatalogue {
			list = append(list, newCatalogued(s))
			r.seen.service(s)
		}
	})
	return list, err
}

func newCatalogued(found *objects.Service) Service {
	s := Service{Namespace: found.Namespace, Name: found.Name, External: api.Excerpt(found.ExternalName)}
	for _, p := range found.Ports {
		if p.Protocol == objects.ProtocolTCP {
			s.Ports = append(s.Ports, ServicePort{p.Number, p.Name})
		}
	}
	return s
}

// known puts a 404 for a whole list, which no Kubernetes gives, into words.
func known(err error) error {
	if errors.Is(err, api.ErrAbsent) {
		return &fault.Unsupported{What: "the API server knows no such list"}
	}
	return err
}
