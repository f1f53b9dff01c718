package kube

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// portNumber returns the number of a port that is written as a number or, as package net allows it, by its name: the one
// that a Service has for it or, for a Pod, that of its containers.
func (r *resolver) portNumber(ctx context.Context, n name, port string) (int, error) {
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		return int(number), nil
	}
	n, err := r.complete(ctx, n)
	for range maxAliases + 1 {
		if err == nil && n.meaning == clusterAddress {
			n, err = r.ownerName(ctx, n)
		}
		if err != nil {
			return 0, err
		}
		if n.meaning == podName {
			facts, err := r.pod(ctx, objects.PodKey{Namespace: n.namespace, Name: n.pod})
			if err != nil {
				return 0, err
			}
			return facts.PortNamed(port)
		}
		if n.meaning == workloadName {
			pods, err := r.podsOf(ctx, n)
			if err != nil {
				return 0, err
			}
			for _, p := range pods {
				if number, err := p.PortNamed(port); err == nil {
					return number, nil
				}
			}
			return 0, &fault.Unsupported{What: fmt.Sprintf("no Pod of %s/%s has a TCP port that is called %s", n.namespace, n.service, port)}
		}
		key := objects.ServiceKey{Namespace: n.namespace, Name: n.service}
		s, _, err := r.service(ctx, key)
		if err != nil {
			return 0, r.suggest(ctx, key, r.absent(ctx, key, err))
		}
		if s.ExternalName == "" {
			return s.PortNamed(port, n.meaning == memberName)
		}
		next, inside := alias(s)
		if !inside {
			return net.DefaultResolver.LookupPort(ctx, "tcp", port)
		}
		n = next
	}
	return 0, &fault.Unsupported{What: fmt.Sprintf(
		"Service %s/%s is an ExternalName that leads to others without end", n.namespace, n.service)}
}

// ownerName returns the name of the Pod or the Service that has an address.
func (r *resolver) ownerName(ctx context.Context, n name) (name, error) {
	o, _, err := r.owner(ctx, n)
	switch {
	case err != nil:
		return name{}, err
	case o.pod.Pod != "":
		return name{meaning: podName, namespace: o.pod.Namespace, pod: o.pod.Pod}, nil
	case o.service.Name == "":
		return name{}, &fault.NotFound{Kind: fault.Address, Name: n.address.String()}
	}
	return name{meaning: serviceName, namespace: o.service.Namespace, service: o.service.Name}, nil
}
