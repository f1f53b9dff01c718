package kube

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// Records are what the cluster's DNS has for a name, by the specification in
// https://github.com/kubernetes/dns/blob/master/docs/specification.md.
type Records struct {
	Addresses []netip.Addr
	Alias     string     // the host of an ExternalName, without a trailing dot; then there are no others
	Services  []Instance // for the name of an SRV record
}

// Domain returns the domain of the cluster's names that a complete name is in, or "". There are two: cluster.local and
// the policy's.
func (c *Cluster) Domain(name string) string {
	_, domain := c.resolver.within(name)
	return domain
}

// domains returns the domains of the cluster's names, the one that it gives to addresses first.
func (r *resolver) domains() []string {
	domain := objects.LowerASCII(strings.Trim(r.policy().Domain, "."))
	if domain == "" || domain == zone {
		return []string{zone}
	}
	return []string{domain, zone}
}

// Records returns what the cluster's DNS has for a complete name, which has a Domain. Unlike Lookup it knows no forms
// beyond the specification. A *fault.NotFound means that there is no such name. A name that exists may have no
// records. Other errors mean that the answer is not known.
func (c *Cluster) Records(ctx context.Context, name string) (Records, error) {
	labels, domain := c.resolver.within(name)
	if domain == "" {
		return Records{}, &fault.NotFound{Kind: fault.Name, Name: api.Excerpt(name)}
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Records{}, fmt.Errorf("look up records: %w", err)
	}
	defer end()
	found, err := c.resolver.records(ctx, labels, domain)
	if err == nil {
		return found, nil
	}
	if isNotFound(err) {
		err = &fault.NotFound{Kind: fault.Name, Name: api.Excerpt(name)}
	}
	return Records{}, fmt.Errorf("look up records: %w", err)
}

// within returns the domain of a name, and the labels before it.
func (r *resolver) within(name string) (labels []string, domain string) {
	name = objects.LowerASCII(strings.TrimSuffix(name, "."))
	for _, domain := range r.domains() {
		if name == domain {
			return nil, domain
		}
		if before, ok := strings.CutSuffix(name, "."+domain); ok {
			return strings.Split(before, "."), domain
		}
	}
	return nil, ""
}

// errNoRecords is the error for a name that does not exist. Records replaces it.
var errNoRecords = &fault.NotFound{Kind: fault.Name}

// records returns the records of a name in a domain, by its labels.
func (r *resolver) records(ctx context.Context, labels []string, domain string) (Records, error) {
	slices.Reverse(labels)
	n := len(labels)
	switch {
	case n == 0, n == 1 && (labels[0] == "svc" || labels[0] == "pod"):
		return Records{}, nil
	case n == 1 || labels[0] != "svc" && labels[0] != "pod" || !objects.IsLabel(labels[1]):
		return Records{}, errNoRecords
	case n == 2:
		return Records{}, r.namespaceExists(ctx, labels[1])
	case labels[0] == "pod":
		return r.podRecords(ctx, labels[1], labels[2:])
	case n > 5 || !objects.IsLabel(labels[2]):
		return Records{}, errNoRecords
	}
	s, _, err := r.service(ctx, objects.ServiceKey{Namespace: labels[1], Name: labels[2]})
	if err != nil {
		return Records{}, err
	}
	host := s.Name + "." + s.Namespace + ".svc." + domain
	switch {
	case s.ExternalName != "" && (n > 3 || !objects.IsHost(s.ExternalName)):
		return Records{}, errNoRecords
	case s.ExternalName != "":
		return Records{Alias: objects.LowerASCII(strings.TrimSuffix(s.ExternalName, "."))}, nil
	case n == 3:
		return serviceRecords(s)
	case n == 4:
		return memberRecords(s, labels[3])
	}
	return portRecords(s, host, labels[4], labels[3])
}

// namespaceExists returns an error if a namespace does not exist. If the user may not ask, it is taken to exist.
func (r *resolver) namespaceExists(ctx context.Context, namespace string) error {
	err := r.absent(ctx, objects.ServiceKey{Namespace: namespace}, &fault.NotFound{Kind: fault.Service})
	if isAbsent(err, fault.Namespace) {
		return err
	}
	return nil
}

// podRecords returns the records of a Pod's address with dashes. Unlike most clusters' DNS, it answers only for addresses
// that a Pod of the namespace has.
func (r *resolver) podRecords(ctx context.Context, namespace string, rest []string) (Records, error) {
	if len(rest) != 1 {
		return Records{}, errNoRecords
	}
	addr, ok := dashedAddress(rest[0])
	n := addressName(addr, namespace)
	if !ok || n.meaning != clusterAddress {
		return Records{}, errNoRecords
	}
	o, _, err := r.owner(ctx, n)
	if err != nil {
		return Records{}, err
	}
	if o.pod.Pod == "" {
		return Records{}, errNoRecords
	}
	return Records{Addresses: []netip.Addr{n.address}}, nil
}

// serviceRecords returns the records of a Service's name: its own addresses or, if it is headless, those of its ready
// endpoints. Without any, a headless Service has no name.
func serviceRecords(s *objects.Service) (Records, error) {
	if !s.Headless {
		return Records{Addresses: dialable(s.ClusterIPs)}, nil
	}
	var all []netip.Addr
	for _, one := range s.Published(nil) {
		if !slices.Contains(all, one.Address) {
			all = append(all, one.Address)
		}
	}
	if all = dialable(all); len(all) == 0 {
		return Records{}, errNoRecords
	}
	return Records{Addresses: all}, nil
}

// memberRecords returns the records of an endpoint's name in its Service's domain. A label such as _tcp is a name without
// records if a named port has that protocol.
func memberRecords(s *objects.Service, label string) (Records, error) {
	var all []netip.Addr
	for _, one := range s.Published(nil) {
		if one.Label == label {
			all = append(all, one.Address)
		}
	}
	if all = dialable(all); len(all) > 0 {
		return Records{Addresses: all}, nil
	}
	protocol, ok := strings.CutPrefix(label, "_")
	if ok && slices.ContainsFunc(s.Ports, func(p objects.Port) bool { return p.Name != "" && strings.EqualFold(p.Protocol, protocol) }) {
		return Records{}, nil // there are names below it
	}
	return Records{}, errNoRecords
}

// portRecords returns the SRV records of a named port.
func portRecords(s *objects.Service, host, port, protocol string) (Records, error) {
	port, isPort := strings.CutPrefix(port, "_")
	protocol, isProtocol := strings.CutPrefix(protocol, "_")
	match := func(p objects.Port) bool {
		return p.Name == port && strings.EqualFold(p.Protocol, protocol)
	}
	at := slices.IndexFunc(s.Ports, match)
	if !isPort || !isProtocol || port == "" || at < 0 && !s.Headless {
		return Records{}, errNoRecords
	}
	if !s.Headless {
		return instances(Instance{host, uint16(s.Ports[at].Number)})
	}
	var all []Instance
	for _, one := range s.Published(match) {
		if i := (Instance{one.Label + "." + host, uint16(one.Port)}); !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	return instances(all...)
}

// instances returns the records of the instances that have a port.
func instances(all ...Instance) (Records, error) {
	all = slices.DeleteFunc(all, func(i Instance) bool { return i.Port == 0 })
	if len(all) == 0 {
		return Records{}, errNoRecords
	}
	return Records{Services: all}, nil
}

// dialable returns the addresses that a Service or a Pod can have. An EndpointSlice made by hand could name this
// machine's loopback, and a name of the cluster must not lead there.
func dialable(all []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return addressName(a, "").meaning != clusterAddress })
}

// Names returns the names that the cluster's DNS has for an address, and whether the address is the cluster's: that of the
// Service whose ClusterIP it is, or that of the ready Pod of a headless Service, if the Pod has that as its subdomain. A
// *fault.NotFound means that there is none.
func (c *Cluster) Names(ctx context.Context, address netip.Addr) (names []string, inCluster bool, err error) {
	h, err := c.Lookup(ctx, address.String())
	if err != nil || !h.InCluster {
		return nil, err != nil, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, true, fmt.Errorf("look up names: %w", err)
	}
	defer end()
	if names, err = c.resolver.namesOf(ctx, h.name.address); err != nil {
		return nil, true, fmt.Errorf("look up names: %w", err)
	}
	return names, true, nil
}

// namesOf returns the names of an address.
func (r *resolver) namesOf(ctx context.Context, address netip.Addr) ([]string, error) {
	none := &fault.NotFound{Kind: fault.Address, Name: address.String()}
	o, _, err := r.owner(ctx, name{meaning: clusterAddress, address: address})
	if err != nil {
		return nil, err
	}
	key, label := o.service, ""
	if o.pod.Pod != "" {
		pod, err := r.pod(ctx, objects.PodKey{Namespace: o.pod.Namespace, Name: o.pod.Pod})
		if err != nil {
			return nil, err
		}
		key, label = objects.ServiceKey{Namespace: o.pod.Namespace, Name: pod.Subdomain}, pod.Hostname
	}
	if !objects.IsLabel(key.Name) {
		return nil, none
	}
	s, _, err := r.service(ctx, key)
	if err != nil {
		return nil, err
	}
	host := s.Name + "." + s.Namespace + ".svc." + r.domains()[0]
	switch {
	case o.pod.Pod == "" && slices.Contains(s.ClusterIPs, address):
		return []string{host}, nil
	case o.pod.Pod != "" && s.Headless:
		for _, one := range s.Published(nil) {
			if one.Address == address && one.Label == label {
				return []string{label + "." + host}, nil
			}
		}
	}
	return nil, none
}

// An Instance is where a named port of a Service is served.
type Instance struct {
	Host string // a name that Lookup knows
	Port uint16
}

// Instances returns the targets in the SRV records of a named TCP port of the host, which Lookup found to be in the cluster:
// the Service and the number of its port, or each ready Pod of a headless Service. It returns none if there is no such
// Service, or no such port. Unlike Records it knows every form of a Service's name.
func (h *Host) Instances(ctx context.Context, port string) ([]Instance, error) {
	if h.check() != nil {
		return nil, nil
	}
	ctx, end, err := h.cluster.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	r := h.cluster.resolver
	var found Records
	n, err := r.complete(ctx, h.name)
	if err == nil && n.meaning == serviceName {
		found, err = r.records(ctx, []string{"_" + port, "_tcp", n.service, n.namespace, "svc"}, zone)
	}
	if isNotFound(err) {
		return nil, nil
	}
	return found.Services, err
}
