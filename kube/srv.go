package kube

import (
	"context"
	"errors"

	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// An Instance is where a named port of a Service is served.
type Instance struct {
	Host string // a name that Lookup knows
	Port uint16
}

// Instances returns what an SRV record has of a named port of the host, which Lookup found to be in the cluster: the
// Service and the number of its port, or each ready Pod of a headless Service. It returns none if there is no such
// Service, or no such port.
func (h *Host) Instances(ctx context.Context, port string) ([]Instance, error) {
	if h.check() != nil {
		return nil, nil
	}
	asked, end, err := h.cluster.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	r := h.cluster.resolver
	n, err := r.complete(asked, h.name)
	if err != nil || n.meaning != serviceName {
		return nil, unlessAbsent(err)
	}
	s, _, err := r.service(asked, objects.ServiceKey{Namespace: n.namespace, Name: n.service})
	if err != nil {
		return nil, unlessAbsent(err)
	}
	number, err := s.PortNamed(port, false)
	if err != nil || number < 1 || number > 65535 {
		return nil, unlessAbsent(err)
	}
	host := s.Name + "." + s.Namespace + ".svc." + zone
	if !s.Headless {
		return []Instance{{host, uint16(number)}}, nil
	}
	pods, _, err := s.Endpoints(number)
	if err != nil {
		return nil, unlessAbsent(err)
	}
	var found []Instance
	for _, p := range pods {
		found = append(found, Instance{p.Pod + "." + host, uint16(p.Port)})
	}
	return found, nil
}

// unlessAbsent returns err, unless it says that something is not there or not ready.
func unlessAbsent(err error) error {
	if isNotFound(err) || errors.As(err, new(*fault.NoEndpoints)) {
		return nil
	}
	return err
}
