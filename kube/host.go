package kube

import (
	"net/netip"
	"strings"
)

// The lengths that RFC 1035 allows, in octets.
const (
	maxHost  = 253
	maxLabel = 63
)

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

// isSubdomain reports whether s is a name that a Pod can have: what someone wrote into an EndpointSlice by hand need not be.
func isSubdomain(s string) bool {
	if s == "" || len(s) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > maxLabel {
			label = label[:maxLabel] // a Pod's name has no bound on its labels but that of the whole
		}
		if !isLabel(label) {
			return false
		}
	}
	return true
}
