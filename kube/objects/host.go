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
	// A host that ends in a number is an old spelling of an IPv4 address, or invalid (WHATWG URL, "ends in a number").
	if isNumber(labels[len(labels)-1]) {
		return nil
	}
	return labels
}

// IsHost reports whether s can be dialled: it is an address or a name made of labels.
func IsHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || HostLabels(s) != nil
}

// IsLabel reports whether s is a lower-case label according to RFC 1123.
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

// LowerASCII returns s with its ASCII letters in lower case. Unlike strings.ToLower it keeps other letters, such as the
// Kelvin sign, which that would turn into a k.
func LowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

// IsSubdomain reports whether a Pod can have s as its name. A name in an EndpointSlice made by hand may be anything.
func IsSubdomain(s string) bool {
	if s == "" || len(s) > MaxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > maxLabel {
			label = label[:maxLabel] // the labels of a Pod's name may be longer, within the bound of the whole name
		}
		if !IsLabel(label) {
			return false
		}
	}
	return true
}
