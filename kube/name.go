package kube

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"fairlead/kube/objects"
)

// meaning is what a host name or address stands for in a cluster.
type meaning int

const (
	outside        meaning = iota // not the cluster's
	noName                        // ends as the cluster's names do, and is none of them
	serviceName                   // a Service
	memberName                    // one Pod behind a Service, by its host name, its own name or its dashed address
	podName                       // a Pod by its own name
	clusterAddress                // an IP address that may be a Service's or a Pod's
)

// A name is a host as the cluster understands it. It is comparable, and equal for all spellings of one thing.
type name struct {
	meaning   meaning
	namespace string // for an address: the only namespace to look in, for a Pod; empty for everywhere
	service   string
	pod       string
	address   netip.Addr
	doubtful  bool   // it may as well be a name of another network: web.dev, db-0.db.billing
	own       string // of a name of two labels: the namespace in which it may be POD.SERVICE instead
	zone      string // the domain of the Internet that it ends in, behind svc or pod; empty where it ends in none
}

// unzoned returns the name without the domain that it was written with.
func (n name) unzoned() name {
	n.zone = ""
	return n
}

// zone is the domain that clusters have unless their administrator chose another one.
const zone = "cluster.local"

// parseName reads a host as the cluster's DNS would for a Pod in namespace. What that DNS has is in
// https://github.com/kubernetes/dns/blob/master/docs/specification.md; a Pod there completes a name by the search list
// "NS.svc.ZONE svc.ZONE ZONE", NS being its own namespace. So these forms have an address:
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
// Beyond that DNS, POD may be a Pod's own name, with its dots if it has some, and POD.NAMESPACE.pod is a Pod by its own
// name: so web.v1.default.pod is the Pod web.v1. An address itself is the cluster's too.
//
// ZONE is cluster.local, or any other domain where the name is a single Service, Pod of a Service or Pod's address:
// nothing tells which domain a cluster has. One that ends in a public suffix may be somebody's on the Internet:
// then the name has it as its zone, which the policy has to know (Policy.Domain). Case does not matter, and one trailing dot changes nothing.
//
// What is not one of these forms is never guessed at. It is outside, unless it ends in .svc, .pod or .cluster.local: no
// other network has such names, and no DNS but the cluster's is to be asked for them. Among those are the names of SRV
// records (_http._tcp.web.default.svc), wildcards and cluster.local itself.
//
// SERVICE.NAMESPACE and POD.SERVICE look the same. The first is meant if there is such a Service; the cluster's own DNS
// would look for the second first, but then a new Pod could take a Service's name. See resolver.complete.
//
// A name of two labels whose last label is a public suffix, like web.dev or example.com, is doubtful; and so is one of
// three labels whose last label is none, like db-0.db.billing, which may be a company's. One of three labels that ends in
// a public suffix is outside, so that www.example.com is never asked for: a Pod in a namespace of such a name has its
// label svc. What ends in a number is an old spelling of an IPv4 address, or nothing: the Service 8080 and those in a
// namespace 123 need the label svc as well.
//
// What reads as an address before .NAMESPACE.pod is one: a Pod that is called 10-1-2-3 or a--b has its Service's name, or
// none.
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

// zoned returns the name as it is below a domain, which it keeps if that is one of the Internet's.
func (n name) zoned(domain []string) name {
	if n.meaning != outside && isPublic(domain) {
		n.zone = strings.Join(domain, ".")
	}
	return n
}

// endsInCluster reports whether a host, well formed or not, ends as no name outside a cluster does.
func endsInCluster(host string) bool {
	host = "." + objects.LowerASCII(strings.TrimRight(host, "."))
	return strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".pod") || strings.HasSuffix(host, "."+zone)
}

// clusterName reads the labels of a host that endsInCluster; none stand for a host that is not well formed.
func clusterName(labels []string, namespace string) (n name) {
	rest, zoned := labels, false
	if before, ok := strings.CutSuffix(strings.Join(labels, "."), "."+zone); ok {
		rest, zoned = strings.Split(before, "."), true
	}
	last := len(rest) - 1
	switch {
	case last < 0 || slices.Equal(labels, strings.Split(zone, ".")):
	case last == 0 && !zoned:
		n = name{meaning: serviceName, service: rest[0], namespace: namespace} // one that is called svc or pod
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

// shortName is SERVICE.NAMESPACE, or POD.SERVICE in namespace.
func shortName(labels []string, namespace string) name {
	return name{meaning: serviceName, service: labels[0], namespace: labels[1], own: namespace, doubtful: isPublic(labels)}
}

// nameInService reads what stands before .svc: SERVICE.NAMESPACE or POD.SERVICE.NAMESPACE.
func nameInService(labels []string) name {
	n := len(labels)
	if n == 2 {
		return name{meaning: serviceName, service: labels[0], namespace: labels[1]}
	}
	return name{meaning: memberName, pod: strings.Join(labels[:n-2], "."), service: labels[n-2], namespace: labels[n-1]}
}

// nameOfPod reads what stands before .pod: ADDRESS.NAMESPACE or, outside of the cluster's zone, POD.NAMESPACE.
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

// isPublic tells whether a name belongs to the Internet: its last label is a public suffix, or more of it is.
func isPublic(labels []string) bool {
	if _, icann := publicsuffix.PublicSuffix(labels[len(labels)-1]); icann {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(strings.Join(labels, "."))
	return icann || strings.Contains(suffix, ".")
}

// addressName takes every address that can be a Pod's or a Service's: not this machine's own, its link's, or a group's.
func addressName(addr netip.Addr, namespace string) name {
	addr = addr.Unmap()
	if addr.Zone() != "" || !addr.IsGlobalUnicast() || addr.Is4() && addr.As4()[0] == 0 {
		return name{}
	}
	return name{meaning: clusterAddress, address: addr, namespace: namespace}
}

// sharedRange is the address range between a provider and its customers (RFC 6598), which some clusters use for Pods.
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// isPrivate tells whether an address is one that many networks have (RFC 1918, 4193, 6598).
func isPrivate(addr netip.Addr) bool { return addr.IsPrivate() || sharedRange.Contains(addr) }

// dashedAddress reads 10-1-2-3, and fd00--1 for IPv6.
func dashedAddress(label string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", "."))
	if err != nil {
		addr, err = netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	}
	return addr, err == nil
}
