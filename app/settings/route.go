package settings

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Route says how some hosts outside a context's cluster are reached.
type Route struct {
	To  []Pattern
	Via Outside
	// Problem is why the route cannot be used, in one sentence without a full stop; empty if it may. What it would have been
	// for is not known then, so it is for every host, and refuses.
	Problem string
}

// Matches reports whether the route is for a port of a host, which is a name or an IP address.
func (r Route) Matches(host string, port uint16) bool {
	return r.Problem != "" || slices.ContainsFunc(r.To, func(p Pattern) bool { return p.Matches(host, port) })
}

// A Pattern matches targets. Either Name or Prefix is set.
type Pattern struct {
	Name   string       // in lower case, with * for any text and ? for one character
	Prefix netip.Prefix // of addresses
	Port   uint16       // 0 for any
}

// Matches reports whether the pattern matches a port of a host, which is a name or an IP address.
func (p Pattern) Matches(host string, port uint16) bool {
	if p.Port != 0 && p.Port != port {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return p.Prefix.IsValid() && p.Prefix.Contains(ip.Unmap()) || p.Name == "*"
	}
	return p.Name != "" && match(p.Name, strings.ToLower(strings.TrimSuffix(host, ".")))
}

func (p Pattern) String() string {
	text := p.Name
	if p.Prefix.IsValid() {
		if text = p.Prefix.String(); p.Prefix.IsSingleIP() {
			text = p.Prefix.Addr().String()
		}
	}
	if p.Port != 0 {
		text = net.JoinHostPort(text, strconv.Itoa(int(p.Port)))
	}
	return text
}

// outside parses a route for hosts outside: direct, refuse, or the name of an upstream.
func (p *parser) outside(node *yaml.Node) *Outside {
	text, ok := p.text(node)
	if !ok {
		return nil
	}
	outside := Outside(text)
	if outside != Direct && outside != Refuse {
		p.vias = append(p.vias, via{node, text})
	}
	return &outside
}

// isRoute reports whether hosts outside can be given this route.
func (c Context) isRoute(outside Outside) bool {
	_, known := c.Upstreams[string(outside)]
	return known || outside == Direct || outside == Refuse
}

// A via is a place where the name of an upstream is written.
type via struct {
	node *yaml.Node
	name string
}

// routes parses a list of routes.
func (p *parser) routes(node *yaml.Node) *[]Route {
	routes := []Route{}
	p.list(node, func(item *yaml.Node) {
		var r Route
		r.Problem = p.contained(func() { p.route(item, &r) })
		routes = append(routes, r)
	})
	return &routes
}

func (p *parser) route(node *yaml.Node, r *Route) {
	to := false
	p.fields(node, "a route", []field{
		{"to", func(n *yaml.Node) {
			to = true
			p.list(n, func(n *yaml.Node) {
				if pattern, ok := p.pattern(n); ok {
					r.To = append(r.To, pattern)
				}
			})
		}},
		{"via", func(n *yaml.Node) {
			if outside := p.outside(n); outside != nil {
				r.Via = *outside
			}
		}},
	})
	if isMapping(node) && (!to || r.Via == "") {
		p.problem(node, `a route says what it is for and how that is reached: {to: ["*.corp.example"], via: UPSTREAM}, or via: direct, or via: refuse`)
	}
}

// hostPattern matches names of hosts, and patterns of them.
var hostPattern = regexp.MustCompile(`^[a-z0-9_*?]([-a-z0-9_*?]{0,61}[a-z0-9_*?])?(\.[a-z0-9_*?]([-a-z0-9_*?]{0,61}[a-z0-9_*?])?)*$`)

// pattern parses a target of routes: a name or a pattern of names, an address or a range of addresses, each with a port
// or without.
func (v *values) pattern(node *yaml.Node) (Pattern, bool) {
	text, ok := v.text(node)
	if !ok {
		return Pattern{}, false
	}
	pattern, wrong := parsePattern(text)
	if wrong != "" {
		v.problem(node, "%q %s", quotable(text), wrong)
	}
	return pattern, wrong == ""
}

// parsePattern parses a target of routes. wrong continues a sentence about the text.
func parsePattern(text string) (to Pattern, wrong string) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefixPattern(prefix, 0)
	}
	if strings.Contains(text, "/") {
		return to, wrongName(text)
	}
	host := text
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err != nil || ip.Zone() != "" {
		if name, port, found := cutPort(text); found {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil || n == 0 {
				return to, fmt.Sprintf("has a port that is not from 1 to %d", lastPort)
			}
			host, to.Port = name, uint16(n)
		}
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if ip.Zone() != "" {
			return to, "has a zone, which no route can match"
		}
		return prefixPattern(netip.PrefixFrom(ip, ip.BitLen()), to.Port)
	}
	to.Name = strings.ToLower(strings.TrimSuffix(host, "."))
	return to, wrongName(to.Name)
}

// cutPort splits a text at its last colon.
func cutPort(text string) (host, port string, found bool) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+1:], true
}

// prefixPattern returns the pattern of a range of addresses, unless none of them is ever reached.
func prefixPattern(prefix netip.Prefix, port uint16) (to Pattern, wrong string) {
	if ip := prefix.Addr(); ip.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(ip.Unmap(), prefix.Bits()-96)
	}
	prefix = prefix.Masked()
	ip := prefix.Addr()
	if prefix.Bits() > 0 && (ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || prefix.IsSingleIP() && ip.IsUnspecified()) {
		return to, "is never reached by any route: loopback, link-local and multicast addresses are always refused"
	}
	return Pattern{Prefix: prefix, Port: port}, ""
}

// wrongName says why no host outside can have a name, or nothing.
func wrongName(name string) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case name == "*":
		return ""
	case strings.Contains(name, "/"):
		return "is no name, address or range of addresses: a route has no scheme and no path, and a range is written like 10.20.0.0/16"
	case !hostPattern.MatchString(name) || len(name) > 253:
		return "is no name of a host: write one like db.corp.example, a pattern like *.corp.example, or an address"
	case strings.Trim(last, "0123456789") == "":
		return "is no address: an IPv4 address has four numbers up to 255"
	case last == "localhost":
		return "is never reached by any route: this machine itself is always refused"
	case last == "svc", last == "pod", name == "cluster.local", strings.HasSuffix(name, ".cluster.local"):
		return "is a name of the cluster, which comes before the routes"
	case !strings.ContainsAny(name, ".*"):
		return "is a name without a dot, which is one of the cluster, and comes before the routes"
	}
	return ""
}
