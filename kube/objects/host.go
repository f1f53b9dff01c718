package objects

import (
	"net/netip"
	"strings"
)

// MaxHost is the longest host name that RFC 1035 allows, and maxLabel the longest label, in octets.
const (
	MaxHost  = 253
	maxLabel = 63
)

// HostLabels splits host into lower-case DNS-1123 labels. It returns none for a host that is not made of such labels.
func HostLabels(host string) []string {
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > MaxHost {
		return nil
	}
	labels := strings.Split(LowerASCII(host), ".")
	for _, label := range labels {
		if !IsLabel(label) {
			return nil
		}
	}
	// What ends in a number is an IPv4 address in one of its old spellings, or nothing (WHATWG URL, "ends in a number").
	if isNumber(labels[len(labels)-1]) {
		return nil
	}
	return labels
}

// IsHost reports whether s can be dialled: an address or a name of labels.
func IsHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || HostLabels(s) != nil
}

// IsLabel reports whether s is a label as RFC 1123 has it, in lower case.
func IsLabel(s string) bool {
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

// LowerASCII returns s with its ASCII letters in lower case. It leaves other letters alone: strings.ToLower would turn the Kelvin sign into a k.
func LowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

// IsSubdomain reports whether s is a name that a Pod can have: what someone wrote into an EndpointSlice by hand need not be.
func IsSubdomain(s string) bool {
	if s == "" || len(s) > MaxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > maxLabel {
			label = label[:maxLabel] // a Pod's name has no bound on its labels but that of the whole
		}
		if !IsLabel(label) {
			return false
		}
	}
	return true
}
