// Package pac generates a proxy auto-configuration file, by which a browser sends requests for a cluster's names and
// addresses to the proxy and all others directly, and the proxy's own page. It does not know the cluster: names and
// addresses are parameters.
package pac

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ContentType is the media type of a proxy auto-configuration file.
const ContentType = "application/x-ns-proxy-autoconfig"

// Limits in bytes: together they keep a script below 64 KiB.
const (
	maxNamespaces = 16 << 10
	maxKnown      = 24 << 10
	maxLabel      = 63 // RFC 1035 2.3.4
)

// A Config configures a script.
type Config struct {
	// Address is the proxy's host:port for the browser.
	Address string
	// Password reports whether the proxy needs a password. Browsers send none over SOCKS, so the script then names only
	// the HTTP proxy.
	Password bool
	// TLS reports whether the proxy is an https one. The script then names only that.
	TLS bool
	// Namespaces are those for which svc.namespace is a name of the cluster though its last label is a public suffix.
	// What cannot be a namespace is omitted.
	Namespaces []string
	// Known are the cluster's addresses. IPv4 addresses mapped into IPv6 count as IPv4.
	Known []netip.Prefix
	// Routes are for hosts that are not the cluster's; the first match decides.
	Routes []Route
	// Others sends what no route is for to the proxy, and not directly.
	Others bool
}

//go:generate go run generate.go

// topLevel are the labels at the end of the Internet's names: the last ones of all rules in the ICANN section of the
// public suffix list, one a line.
//
//go:embed toplevel.txt
var topLevel string

//go:embed script.js
var script string

// Script returns a proxy auto-configuration file, in an old JavaScript that every system understands. It never uses
// DNS. It sends these to the proxy, without an alternative:
//
//   - names of one label
//   - svc.ns.svc, ip.ns.pod and pod.svc.ns.svc, alone or in any domain
//   - svc.ns where ns is one of Config.Namespaces
//   - names whose last label is no public suffix: no public DNS knows them
//   - the addresses that Config.Known contains
//   - what one of Config.Routes is for, unless it is Direct, and with Config.Others everything else
//
// localhost and names below it, loopback addresses and everything else go directly (DIRECT). If not all routes fit,
// everything else goes to the proxy, which knows all of them.
func Script(c Config) string {
	forHTTP, forRest := results(c)
	list, whole := routeList(c.Routes)
	return strings.NewReplacer(
		"$HTTP$", quote(forHTTP),
		"$REST$", quote(forRest),
		"$SPACES$", quote(namespaceList(c.Namespaces)),
		"$TOP$", quote(" "+strings.Join(strings.Fields(topLevel), " ")+" "),
		"$KNOWN$", prefixList(c.Known),
		"$ROUTES$", list,
		"$OTHERS$", strconv.FormatBool(c.Others || !whole),
	).Replace(script)
}

// results returns the script's results for the proxy. Plain HTTP goes to the HTTP side, whose failures are pages with
// the reason.
func results(c Config) (forHTTP, forRest string) {
	switch {
	case c.TLS:
		return "HTTPS " + c.Address, "HTTPS " + c.Address
	case c.Password:
		return "PROXY " + c.Address, "PROXY " + c.Address
	}
	return "PROXY " + c.Address + "; SOCKS5 " + c.Address, "SOCKS5 " + c.Address + "; PROXY " + c.Address
}

// quote returns a string as JavaScript, which JSON strings are, with < and > escaped too.
func quote(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("a string for JSON: %v", err)) // every string can be encoded
	}
	return string(quoted)
}

// Ambiguous returns the namespaces that are also top-level domains of the Internet. A script needs only these. They are
// sorted.
func Ambiguous(namespaces []string) []string {
	namespaces = slices.DeleteFunc(slices.Clone(namespaces), func(namespace string) bool {
		return !isLabel(namespace) || !strings.Contains(topLevelLines, "\n"+namespace+"\n")
	})
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// topLevelLines has a line break before and after every label.
var topLevelLines = "\n" + topLevel

// namespaceList returns the ambiguous namespaces between spaces, as many as fit.
func namespaceList(namespaces []string) string {
	var list strings.Builder
	list.WriteByte(' ')
	for _, namespace := range Ambiguous(namespaces) {
		if list.Len()+len(namespace) < maxNamespaces {
			list.WriteString(namespace)
			list.WriteByte(' ')
		}
	}
	return list.String()
}

// isLabel reports whether s is a label as Kubernetes requires of namespaces (RFC 1123).
func isLabel(s string) bool {
	return s != "" && len(s) <= maxLabel && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-' && s[len(s)-1] != '-'
}

// prefixList returns prefixes as [bits, group, group, ...], of two groups of 16 bits for IPv4 and eight for IPv6; the
// widest, without those that are in others, as many as fit.
func prefixList(prefixes []netip.Prefix) string {
	var list strings.Builder
	var in []netip.Prefix
	for _, prefix := range widestFirst(prefixes) {
		if slices.ContainsFunc(in, func(p netip.Prefix) bool { return p.Overlaps(prefix) }) {
			continue
		}
		entry := fmt.Sprintf("[%d", prefix.Bits())
		for raw := prefix.Addr().AsSlice(); len(raw) > 0; raw = raw[2:] {
			entry += fmt.Sprintf(",%d", int(raw[0])<<8|int(raw[1]))
		}
		if list.Len()+len(entry) >= maxKnown {
			break
		}
		if list.Len() > 0 {
			list.WriteByte(',')
		}
		list.WriteString(entry + "]")
		in = append(in, prefix)
	}
	return "[" + list.String() + "]"
}

// widestFirst returns the valid prefixes, in their canonical form and without duplicates.
func widestFirst(prefixes []netip.Prefix) []netip.Prefix {
	var sorted []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is4In6() {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p = p.Masked(); p.IsValid() {
			sorted = append(sorted, p)
		}
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Bits(), b.Bits()), a.Addr().Compare(b.Addr()))
	})
	return slices.Compact(sorted)
}
