package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"fairlead/kube/fault"
)

// How long answers count. A Pod that went away meanwhile is noticed by the dial, which then asks anew.
const (
	answerLasts  = 3 * time.Second
	nothingLasts = time.Second // errors, and Services without a ready endpoint
	claimLasts   = time.Minute // whether a name that may be the Internet's is a Service's
)

// maxAliases bounds how many ExternalName Services are followed one after the other.
const maxAliases = 4

// A resolver turns names into Pods. It asks at most twice for the name of a Service, and not at all while the answer
// is fresh.
type resolver struct {
	api       *api
	namespace func() string // where to look when everywhere is forbidden
	services  *cache[serviceKey, *service]
	owners    *cache[name, owner]
	claims    *cache[serviceKey, bool]
}

type serviceKey struct{ namespace, name string }

func newResolver(a *api, namespace func() string) *resolver {
	return &resolver{
		api:       a,
		namespace: namespace,
		services: newCache[serviceKey](func(s *service, err error) time.Duration {
			if err != nil || !s.hasReady() && s.externalName == "" {
				return nothingLasts
			}
			return answerLasts
		}),
		claims: newCache[serviceKey](func(_ bool, err error) time.Duration {
			if err != nil {
				return nothingLasts
			}
			return claimLasts
		}),
		owners: newCache[name](func(_ owner, err error) time.Duration {
			if err != nil {
				return nothingLasts
			}
			return answerLasts
		}),
	}
}

// A resolution is what a name led to, and which answers it rests on.
type resolution struct {
	endpoints []endpoint // to try in this order
	asked     time.Time  // when the oldest of the answers was asked for
	addresses []name
	services  []serviceKey
}

// resolve gives the Pods to try for a port of what n names.
func (r *resolver) resolve(ctx context.Context, n name, port int) (resolution, error) {
	to := resolution{asked: time.Now()}
	if n.meaning == clusterAddress {
		o, asked, err := r.owners.get(ctx, n, func(ctx context.Context) (owner, error) { return r.owner(ctx, n) })
		if err != nil {
			return to, err
		}
		to.addresses = append(to.addresses, n)
		to.rest(asked)
		if o.pod.Pod != "" {
			o.pod.Port = port
			to.endpoints = []endpoint{o.pod}
			return to, nil
		}
		n = name{meaning: serviceName, namespace: o.service.namespace, service: o.service.name}
	}
	for range maxAliases + 1 {
		key := serviceKey{n.namespace, n.service}
		s, asked, err := r.service(ctx, key)
		if err != nil {
			return to, err
		}
		to.services = append(to.services, key)
		to.rest(asked)
		if s.externalName == "" {
			to.endpoints, err = n.of(s, port)
			return to, err
		}
		if n, err = alias(s); err != nil {
			return to, err
		}
	}
	return to, &fault.Unsupported{What: fmt.Sprintf(
		"Service %s/%s is an ExternalName that leads to others without end", n.namespace, n.service)}
}

func (to *resolution) rest(asked time.Time) {
	if asked.Before(to.asked) {
		to.asked = asked
	}
}

// of gives the endpoints that a name stands for within its Service.
func (n name) of(s *service, port int) ([]endpoint, error) {
	if n.meaning == memberName {
		return s.member(n.pod, port)
	}
	return s.endpoints(port)
}

// alias follows a Service that stands for another name. That name is not the context's to complete: only one with the
// label svc in it is a Service.
func alias(s *service) (name, error) {
	n := parseName(s.externalName, "")
	if strings.Count(s.externalName, ".") < 2 || n.meaning != serviceName && n.meaning != memberName {
		return name{}, &fault.Unsupported{What: fmt.Sprintf(
			"Service %s/%s is an ExternalName for %s, which is outside the cluster", s.namespace, s.name, bounded(s.externalName))}
	}
	return n, nil
}

// forget drops the answers that a resolution rests on, unless they were asked for after it was known: a dial found them
// out of date, and another one may have found that before.
func (r *resolver) forget(old resolution, known time.Time) {
	for _, n := range old.addresses {
		r.owners.forget(n, known)
	}
	for _, key := range old.services {
		r.services.forget(key, known)
	}
}

func (r *resolver) wait() {
	r.services.wait()
	r.owners.wait()
	r.claims.wait()
}

func (r *resolver) service(ctx context.Context, key serviceKey) (*service, time.Time, error) {
	return r.services.get(ctx, key, func(ctx context.Context) (*service, error) { return r.lookUp(ctx, key) })
}

// exists tells whether there is a Service that one may look at, by one request.
func (r *resolver) exists(ctx context.Context, key serviceKey) (bool, error) {
	exists, _, err := r.claims.get(ctx, key, func(ctx context.Context) (bool, error) {
		_, err := r.api.service(ctx, key.namespace, key.name)
		var forbidden *fault.Forbidden
		if errors.Is(err, errAbsent) || errors.As(err, &forbidden) {
			return false, nil
		}
		return err == nil, err
	})
	return exists, err
}

// lookUp asks for a Service and its EndpointSlices, both at once.
func (r *resolver) lookUp(ctx context.Context, key serviceKey) (*service, error) {
	wanted, unwanted := context.WithCancel(ctx)
	defer unwanted()
	var slices []discoveryv1.EndpointSlice
	var slicesErr error
	var wg sync.WaitGroup
	wg.Go(func() { slices, slicesErr = r.api.endpointSlices(wanted, key.namespace, key.name) })
	svc, err := r.api.service(ctx, key.namespace, key.name)
	if err != nil {
		unwanted()
	}
	wg.Wait()
	switch {
	case errors.Is(err, errAbsent):
		return nil, r.absent(ctx, key)
	case err != nil:
		return nil, err
	case slicesErr != nil:
		return nil, slicesErr
	}
	return newService(svc, slices), nil
}

// absent says whether it is the Service that is not there, or its namespace. The API server gives one answer for both,
// and not everybody may ask for the namespace.
func (r *resolver) absent(ctx context.Context, key serviceKey) error {
	if errors.Is(r.api.namespace(ctx, key.namespace), errAbsent) {
		return &fault.NotFound{Kind: fault.Namespace, Name: key.namespace}
	}
	return &fault.NotFound{Kind: fault.Service, Name: key.name, Namespace: key.namespace}
}
