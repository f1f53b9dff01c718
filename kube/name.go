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
	clusterAddress                // an IP address that may be a Service's or a Pod's
)

// A name is a host as the cluster understands it. It is comparable, and equal for all spellings of one thing.
type name struct {
	meaning   meaning
	namespace string // for an address: the only namespace to look in; empty for everywhere
	service   string
	pod       string
	address   netip.Addr
	doubtful  bool // it reads as a name of the Internet just as well: web.dev, web.prod
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
//	pod.svc.ns.svc, pod.svc.ns.svc.DOMAIN             a Pod of a (headless) Service
//	10-1-2-3.ns.pod, 10-1-2-3.ns.pod.DOMAIN           a Pod by its address
//	10.1.2.3, fd00::1, ::ffff:10.1.2.3                an address of a private range (RFC 1918, 4193, 6598)
//
// A name of two labels whose last label is a public suffix, like web.dev or example.com, is doubtful.
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
		return name{meaning: serviceName, service: labels[0], namespace: labels[1], doubtful: isPublic(labels[0], labels[1])}
	case labels[2] == "svc":
		return name{meaning: serviceName, service: labels[0], namespace: labels[1]}
	case labels[2] == "pod":
		return dashedAddress(labels[0], labels[1])
	case n > 3 && labels[3] == "svc":
		return name{meaning: memberName, pod: labels[0], service: labels[1], namespace: labels[2]}
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

// isPublic tells whether the name of two labels belongs to the Internet: its last label is a public suffix, or all of it is.
func isPublic(first, last string) bool {
	if _, icann := publicsuffix.PublicSuffix(last); icann {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(first + "." + last)
	return icann || strings.Contains(suffix, ".")
}

// sharedRange is the address range between a provider and its customers (RFC 6598), which some clusters use for Pods.
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

func addressName(addr netip.Addr, namespace string) name {
	if addr.Zone() != "" {
		return name{}
	}
	addr = addr.Unmap()
	if !addr.IsPrivate() && !sharedRange.Contains(addr) {
		return name{}
	}
	return name{meaning: clusterAddress, address: addr, namespace: namespace}
}

// dashedAddress reads the form 10-1-2-3.ns.pod, and fd00--1.ns.pod for IPv6.
func dashedAddress(label, namespace string) name {
	addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", "."))
	if err != nil {
		addr, err = netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	}
	if err != nil {
		return name{}
	}
	return addressName(addr, namespace)
}
