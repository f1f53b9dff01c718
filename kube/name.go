package kube

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// meaning says what a host name or address stands for in a cluster.
type meaning int

const (
	outside        meaning = iota // not the cluster's
	serviceName                   // a Service
	memberName                    // one Pod behind a Service, by its host name or its own name
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
	doubtful  bool // it may as well be a name of another network: web.dev, db-0.db.billing
}

// The lengths that RFC 1035 allows, in octets.
const (
	maxHost  = 253
	maxLabel = 63
)

// parseName reads a host as the cluster's DNS would, with namespace for names that carry none. It is strict: whatever is
// not one of these forms is outside, and never guessed at. Case does not matter and one trailing dot is allowed.
//
//	svc, svc.ns, svc.ns.svc, svc.ns.svc.DOMAIN        a Service
//	pod.svc.ns, pod.svc.ns.svc, pod.svc.ns.svc.DOMAIN a Pod of a (headless) Service, by host name or by its own name
//	10-1-2-3.ns.pod, 10-1-2-3.ns.pod.DOMAIN           a Pod by its address
//	pod.ns.pod                                        a Pod by its own name; a form that no DNS has
//	10.1.2.3, fd00::1, ::ffff:10.1.2.3                an address that one machine can have on a network
//
// A name of two labels whose last label is a public suffix, like web.dev or example.com, is doubtful; and so is one of
// three labels whose last label is none, like db-0.db.billing, which may be a company's. One of three labels that ends in
// a public suffix is outside, so that www.example.com is never asked for: a Pod in a namespace of such a name has its
// label svc. So do Services and Pods in namespaces called svc and pod.
//
// What reads as an address before .ns.pod is one: a Pod that is called 10-1-2-3 or a--b has its Service's name, or none.
func parseName(host, namespace string) name {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addressName(addr, "")
	}
	labels := hostLabels(host)
	switch n := len(labels); {
	case n == 0 || labels[n-1] == "localhost":
		return name{}
	case n == 1:
		return name{meaning: serviceName, service: labels[0], namespace: namespace}
	case n == 2:
		return name{meaning: serviceName, service: labels[0], namespace: labels[1], doubtful: isPublic(labels)}
	case labels[2] == "svc":
		return name{meaning: serviceName, service: labels[0], namespace: labels[1]}
	case labels[2] == "pod":
		if addr, ok := dashedAddress(labels[0]); ok {
			return addressName(addr, labels[1])
		}
		if n == 3 {
			return name{meaning: podName, pod: labels[0], namespace: labels[1]}
		}
	case n > 3 && labels[3] == "svc":
		return name{meaning: memberName, pod: labels[0], service: labels[1], namespace: labels[2]}
	case n == 3 && !isPublic(labels):
		return name{meaning: memberName, pod: labels[0], service: labels[1], namespace: labels[2], doubtful: true}
	}
	return name{}
}

// hostLabels splits host into lower-case DNS-1123 labels; none when it is not made of such.
func hostLabels(host string) []string {
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > maxHost {
		return nil
	}
	labels := strings.Split(lowerASCII(host), ".")
	for _, label := range labels {
		if !isLabel(label) {
			return nil
		}
	}
	// What ends in a number is an IPv4 address in one of its old spellings, or nothing (WHATWG URL, "ends in a number").
	if isNumber(labels[len(labels)-1]) {
		return nil
	}
	return labels
}

// isHost tells whether s can be dialled: an address or a name of labels.
func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || hostLabels(s) != nil
}

// isLabel tells whether s is a label as RFC 1123 has it, in lower case.
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// lowerASCII leaves other letters alone: strings.ToLower would turn the Kelvin sign into a k.
func lowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
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
