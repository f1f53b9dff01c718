package kube

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"fairlead/kube/objects"
)

// A meaning is the kind of thing that a host name or address stands for in a cluster.
type meaning int

const (
	outside        meaning = iota // not in the cluster
	noName                        // invalid, but ends like the cluster's names
	serviceName                   // a Service
	memberName                    // one Pod behind a Service, by its host name, its own name or its dashed address
	podName                       // a Pod by its own name
	workloadName                  // a Deployment or another object that selects Pods
	clusterAddress                // an IP address that may be a Service's or a Pod's
)

// A name is what a host means in the cluster. Names are comparable, and equal for all spellings of the same thing.
type name struct {
	meaning         meaning
	namespace       string // of an address: the only namespace to look for a Pod in; empty for all
	service         string
	pod             string
	address         netip.Addr
	doubtful        bool   // it may also be a name of another network: web.dev, db-0.db.billing
	kind            string // of a workload
	memberNamespace string // if the name may be POD.SERVICE instead: the namespace of that Service
	zone            string // the public domain after svc or pod; empty if there is none
}

// unzoned returns the name without its domain.
func (n name) unzoned() name {
	n.zone = ""
	return n
}

// zone is the domain that clusters have unless their administrator chose another one.
const zone = "cluster.local"

// parseName returns what a host means to the cluster's DNS for a Pod in namespace. The names in that DNS are specified in
// https://github.com/kubernetes/dns/blob/master/docs/specification.md; a Pod there completes a name by the search list
// "NS.svc.ZONE svc.ZONE ZONE", where NS is its own namespace. So these forms have an address:
//
//	written                      stands for                    what it is
//	SERVICE                      SERVICE.NS.svc.ZONE           a Service in the context's own namespace
//	POD.SERVICE                  POD.SERVICE.NS.svc.ZONE       a Pod of a Service in the context's own namespace
//	SERVICE.NAMESPACE            SERVICE.NAMESPACE.svc.ZONE    a Service
//	SERVICE.NAMESPACE.svc        SERVICE.NAMESPACE.svc.ZONE    a Service
//	POD.SERVICE.NAMESPACE        (the same).svc.ZONE           a Pod of a Service: POD is its host name or, where it has
//	POD.SERVICE.NAMESPACE.svc    (the same).ZONE               none, its address with dashes: 10-1-2-3, fd00--1
//	10-1-2-3.NAMESPACE.pod       (the same).ZONE               a Pod by its address
//
// Beyond that DNS, POD may be a Pod's own name, including dots, and POD.NAMESPACE.pod is a Pod by its own name: so
// web.v1.default.pod is the Pod web.v1. NAME.NAMESPACE.deployment.apps stands for the Pods of a Deployment, and
// statefulset, replicaset and daemonset for those of the others. An IP address may be in the cluster as well.
//
// ZONE is cluster.local or, for a single Service, Pod of a Service or Pod's address, any other domain: the API server does
// not say which domain a cluster has. A domain that ends in a public suffix may be in use on the Internet. Then it becomes
// the name's zone, and the name is in the cluster only if it is the policy's Domain. Case does not matter, and neither does
// one trailing dot.
//
// Other forms have no meaning. They are outside, unless they end in .svc, .pod or .cluster.local: no other network has such
// names, and no DNS server but the cluster's may be asked for them. Among these are the names of SRV records
// (_http._tcp.web.default.svc), wildcards and cluster.local itself.
//
// SERVICE.NAMESPACE and POD.SERVICE have the same form. The first is meant if there is such a Service. The cluster's own DNS
// would try the second first, but then a new Pod could take over a Service's name. See resolver.complete.
//
// A name of two labels whose last label is a public suffix, like web.dev or example.com, is doubtful. So is a name of three
// labels whose last label is not one, like db-0.db.billing, which may be a company's. A name of three labels that ends in a
// public suffix is outside, so that www.example.com is never asked for: a Pod in such a namespace needs the label svc. A
// host that ends in a number is an old spelling of an IPv4 address, or invalid: the Service 8080 and Services in a namespace
// 123 need the label svc as well.
//
// A first label of .NAMESPACE.pod that can be an address is one: a Pod called 10-1-2-3 or a--b can be reached only by the
// form with its Service.
func parseName(host, namespace string) name {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addressName(addr, "")
	}
	labels := objects.HostLabels(host)
	n := len(labels)
	switch {
	case endsInCluster(host):
		return clusterName(labels, namespace)
	case n == 0 || labels[n-1] == "localhost":
		return name{}
	case n == 1:
		return name{meaning: serviceName, service: labels[0], namespace: namespace}
	case n == 2:
		return shortName(labels, namespace)
	case n == 4 && labels[3] == apps:
		workload, _ := workloadOf(labels) // or outside
		return workload
	case labels[2] == "svc", n > 3 && labels[3] == "svc":
		end := slices.Index(labels[2:], "svc") + 2
		return nameInService(labels[:end]).zoned(labels[end+1:])
	case labels[2] == "pod":
		if addr, ok := dashedAddress(labels[0]); ok {
			return addressName(addr, labels[1]).zoned(labels[3:])
		}
	case n == 3 && !isPublic(labels):
		return name{meaning: memberName, pod: labels[0], service: labels[1], namespace: labels[2], doubtful: true}
	}
	return name{}
}

// zoned returns the name with a domain as its zone, if the domain is public.
func (n name) zoned(domain []string) name {
	if n.meaning != outside && isPublic(domain) {
		n.zone = strings.Join(domain, ".")
	}
	return n
}

// endsInCluster reports whether a host, valid or not, ends in a suffix that only clusters have.
func endsInCluster(host string) bool {
	host = "." + objects.LowerASCII(strings.TrimRight(host, "."))
	return strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".pod") || strings.HasSuffix(host, "."+zone)
}

// clusterName returns the name for the labels of a host that endsInCluster. A host that is not valid has no labels.
func clusterName(labels []string, namespace string) (n name) {
	rest, zoned := labels, false
	if before, ok := strings.CutSuffix(strings.Join(labels, "."), "."+zone); ok {
		rest, zoned = strings.Split(before, "."), true
	}
	last := len(rest) - 1
	switch {
	case last < 0 || slices.Equal(labels, strings.Split(zone, ".")):
	case last == 0 && !zoned:
		n = name{meaning: serviceName, service: rest[0], namespace: namespace} // a Service called svc or pod
	case last == 1 && !zoned:
		n = shortName(rest, namespace)
	case last >= 2 && rest[last] == "svc":
		n = nameInService(rest[:last])
	case last >= 2 && rest[last] == "pod":
		n = nameOfPod(rest[:last], zoned)
	}
	if n.meaning == outside {
		n = name{meaning: noName}
	}
	return n
}

// shortName returns the name for two labels: SERVICE.NAMESPACE, or POD.SERVICE in namespace.
func shortName(labels []string, namespace string) name {
	return name{meaning: serviceName, service: labels[0], namespace: labels[1], memberNamespace: namespace, doubtful: isPublic(labels)}
}

// nameInService returns the name for the labels before .svc: SERVICE.NAMESPACE or POD.SERVICE.NAMESPACE.
func nameInService(labels []string) name {
	n := len(labels)
	if n == 2 {
		return name{meaning: serviceName, service: labels[0], namespace: labels[1]}
	}
	return name{meaning: memberName, pod: strings.Join(labels[:n-2], "."), service: labels[n-2], namespace: labels[n-1]}
}

// nameOfPod returns the name for the labels before .pod: ADDRESS.NAMESPACE or, without the cluster's zone, POD.NAMESPACE.
func nameOfPod(labels []string, zoned bool) name {
	n := len(labels)
	if n == 2 {
		if addr, ok := dashedAddress(labels[0]); ok {
			return addressName(addr, labels[1])
		}
	}
	if zoned {
		return name{}
	}
	return name{meaning: podName, pod: strings.Join(labels[:n-1], "."), namespace: labels[n-1]}
}

// isPublic reports whether a name ends in a public suffix of one or more labels.
func isPublic(labels []string) bool {
	if _, icann := publicsuffix.PublicSuffix(labels[len(labels)-1]); icann {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(strings.Join(labels, "."))
	return icann || strings.Contains(suffix, ".")
}

// addressName returns the name for an address. It is outside if no Pod or Service can have it: loopback, link-local and
// multicast addresses.
func addressName(addr netip.Addr, namespace string) name {
	addr = addr.Unmap()
	if addr.Zone() != "" || !addr.IsGlobalUnicast() || addr.Is4() && addr.As4()[0] == 0 {
		return name{}
	}
	return name{meaning: clusterAddress, address: addr, namespace: namespace}
}

// sharedRange is the address range between a provider and its customers (RFC 6598), which some clusters use for Pods.
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// isPrivate reports whether an address is from a range that many networks use (RFC 1918, 4193, 6598).
func isPrivate(addr netip.Addr) bool { return addr.IsPrivate() || sharedRange.Contains(addr) }

// dashedAddress parses an address with dashes: 10-1-2-3, or fd00--1 for IPv6.
func dashedAddress(label string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", "."))
	if err != nil {
		addr, err = netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	}
	return addr, err == nil
}
