package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"fairlead/proxy/hostport"
)

// A Protocol is what an endpoint speaks.
type Protocol string

// The values of Protocol. A forward has TCP or HTTP, a proxy's port AnyProtocol, HTTP or SOCKS, and a nameserver DNS.
const (
	AnyProtocol Protocol = ""
	TCP         Protocol = "tcp"   // the target's own protocol, whatever that is
	HTTP        Protocol = "http"  // of a forward: the listener's name in requests is replaced by the target's
	SOCKS       Protocol = "socks" // SOCKS 4, 4A and 5
	DNS         Protocol = "dns"   // in datagrams and over connections
)

// An Endpoint is one address that a context listens on, and what it serves there.
type Endpoint struct {
	Address  netip.AddrPort // of the first proxy with port 0 if none is assigned yet; Prepare assigns one
	To       string         // the target of a forward, as host:port, whose port may be a name; empty for others
	Protocol Protocol
	Chosen   bool // a forward that was made by a command or in the menu
}

// IsForward reports whether the endpoint is a fixed local port of a target, and no proxy.
func (e Endpoint) IsForward() bool { return e.To != "" }

// IsNameserver reports whether the endpoint answers questions about the cluster's names.
func (e Endpoint) IsNameserver() bool { return e.Protocol == DNS }

func (e Endpoint) exposed() bool { return !e.Address.Addr().IsLoopback() }

// Overlaps reports whether two endpoints cannot both be listened on.
func (e Endpoint) Overlaps(other Endpoint) bool {
	a, b := e.Address, other.Address
	return a.Port() == b.Port() && a.Port() != 0 &&
		(a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

// Forwards returns the context's fixed local ports.
func (c Context) Forwards() []Endpoint {
	return slices.DeleteFunc(slices.Clone(c.Endpoints), func(e Endpoint) bool { return !e.IsForward() })
}

// Proxies returns where the context's proxy listens.
func (c Context) Proxies() []Endpoint {
	if c.NoProxy {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Endpoints), func(e Endpoint) bool { return e.IsForward() || e.IsNameserver() })
}

// Nameservers returns where the context's nameserver listens.
func (c Context) Nameservers() []Endpoint {
	return slices.DeleteFunc(slices.Clone(c.Endpoints), func(e Endpoint) bool { return !e.IsNameserver() })
}

// A writtenEndpoint is an endpoint in the user's file. The Addr of a proxy's address is invalid if only a port was written.
type writtenEndpoint struct {
	Endpoint
	line int
}

// forwards parses a list of fixed local ports. one reports whether they are for a single context.
func (p *parser) forwards(node *yaml.Node, one bool) *[]writtenEndpoint {
	return p.endpoints(node, one, func(n *yaml.Node) (e Endpoint) {
		e.Protocol = TCP
		p.fields(n, "forwards", []field{
			{"listen", func(n *yaml.Node) { e.Address = p.loopbackAddress(n, "a forward cannot ask for a password") }},
			{"to", func(n *yaml.Node) { e.To = p.target(n) }},
			{"protocol", func(n *yaml.Node) { e.Protocol = p.protocol(n, TCP, HTTP) }},
		})
		if !has(n, "listen") || !has(n, "to") {
			p.problem(n, `a forward takes an address or a port of this machine and a target: {listen: 5432, to: "db.billing:5432"}`)
		}
		return e
	})
}

// proxies parses a list of further ports of a proxy.
func (p *parser) proxies(node *yaml.Node, one bool) *[]writtenEndpoint {
	return p.endpoints(node, one, func(n *yaml.Node) (e Endpoint) {
		p.fields(n, "proxies", []field{
			{"listen", func(n *yaml.Node) { e.Address = p.listenAddress(n) }},
			{"protocol", func(n *yaml.Node) { e.Protocol = p.protocol(n, HTTP, SOCKS) }},
		})
		if !has(n, "listen") {
			p.problem(n, "a further port of the proxy takes an address or a port of this machine: {listen: 4140, protocol: http}")
		}
		return e
	})
}

// endpoints parses a list of endpoints, each by a function. What is wrong with one leaves that one out.
func (p *parser) endpoints(node *yaml.Node, one bool, parse func(*yaml.Node) Endpoint) *[]writtenEndpoint {
	if !p.ofOneContext(node, one) {
		return nil
	}
	list := []writtenEndpoint{}
	if n := resolved(node); n.Kind != yaml.SequenceNode {
		p.flaws = append(p.flaws, Problem{p.file, node.Line, fmt.Sprintf("this must be a list, each item of which begins with a hyphen, and is %s", kind(n))})
		return &list
	}
	p.list(node, func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			p.flaws = append(p.flaws, Problem{p.file, n.Line, fmt.Sprintf("this must be keys with values, and is %s", kind(n))})
			return
		}
		var e Endpoint
		if p.contained(func() { e = parse(n) }) == "" {
			list = append(list, writtenEndpoint{e, n.Line})
			p.references = append(p.references, Reference{Line: n.Line, Listen: at(list[len(list)-1], loopback)})
		}
	})
	return &list
}

// ofOneContext reports whether a node with a local port is for a single context, and adds a flaw if it is not.
func (p *parser) ofOneContext(node *yaml.Node, one bool) bool {
	if !one {
		p.flaws = append(p.flaws, Problem{p.file, node.Line, "a port is one context's: it can stand below a full name only"})
	}
	return one
}

// has reports whether a mapping has a key.
func has(node *yaml.Node, key string) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if resolved(node.Content[i]).Value == key && resolved(node.Content[i+1]).Tag != "!!null" {
			return true
		}
	}
	return false
}

func (v *values) protocol(node *yaml.Node, known ...Protocol) Protocol {
	var words []string
	for _, k := range known {
		words = append(words, string(k))
	}
	text, _ := v.oneOf(node, words...)
	return Protocol(text)
}

// listenAddress parses a port, or an address with a port. The Addr of a port alone is invalid.
func (v *values) listenAddress(node *yaml.Node) netip.AddrPort {
	text, ok := v.text(node)
	if !ok {
		return netip.AddrPort{}
	}
	at, err := ParseListen(text)
	if err != nil {
		v.problem(node, "%s", err)
	}
	return at
}

// loopbackAddress parses a port of 127.0.0.1, or a loopback address with a port. reason begins the problem of any other
// address.
func (v *values) loopbackAddress(node *yaml.Node, reason string) netip.AddrPort {
	at := v.listenAddress(node)
	switch {
	case at.Port() == 0:
		return at // it is a problem already
	case !at.Addr().IsValid():
		return netip.AddrPortFrom(loopback, at.Port())
	case !at.Addr().IsLoopback():
		v.problem(node, "%s, so it listens on this machine only: write %s", reason, netip.AddrPortFrom(loopback, at.Port()))
	}
	return at
}

// ParseListen parses where to listen: a port, or an address with a port. The Addr of a port alone is invalid.
func ParseListen(text string) (netip.AddrPort, error) {
	if port, err := strconv.ParseUint(text, 10, 16); err == nil && port > 0 {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	at, err := netip.ParseAddrPort(strings.Replace(text, "localhost:", "127.0.0.1:", 1))
	if err != nil || at.Port() == 0 || at.Addr().IsMulticast() || at.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%q is neither a port from 1 to %d nor an address with one, such as 127.0.0.1:5432", quotable(text), lastPort)
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}

// target parses the target of a forward.
func (v *values) target(node *yaml.Node) string {
	text, ok := v.text(node)
	if !ok {
		return ""
	}
	if err := CheckTarget(text); err != nil {
		v.problem(node, "%s", err)
		return ""
	}
	return text
}

// CheckTarget returns why a text cannot be the target of a forward, or nil: it is a host, as clients of the proxy name it,
// and a port by its number or its name.
func CheckTarget(text string) error {
	to, err := hostport.ParseNamed(text)
	if err != nil {
		host, port, split := net.SplitHostPort(text)
		switch {
		case split != nil || host == "":
			return fmt.Errorf("%q is no target: write a host and a port, such as db.billing:5432 or web.shop:https", quotable(text))
		case !hostport.IsPort(port):
			return fmt.Errorf("%q is no port: it is a number from 1 to %d, or the name that the Service has for it", quotable(port), lastPort)
		}
		if strings.Contains(host, "/") {
			return fmt.Errorf("%q is spelled as for kubectl: write a Service as db.billing:5432, with its namespace", quotable(text))
		}
		return fmt.Errorf("%q cannot be the name of a host", quotable(host))
	}
	if ip, err := netip.ParseAddr(to.Host); err == nil {
		if ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
			return fmt.Errorf("%q is no address of a cluster or of a host outside: it is this machine's own, or its link's", quotable(to.Host))
		}
		return nil
	}
	switch name := strings.ToLower(strings.TrimSuffix(to.Host, ".")); {
	case name == "localhost" || strings.HasSuffix(name, ".localhost"):
		return fmt.Errorf("%q is this machine itself, which no proxy leads to", quotable(to.Host))
	case noService(name):
		return fmt.Errorf("%q is no name of a Service or a Pod: `fairlead help names` has their forms", quotable(to.Host))
	}
	return nil
}

// noService reports whether a name ends like a Service's or a Pod's and has no namespace or no name before that.
func noService(name string) bool {
	short := strings.TrimSuffix(name, ".cluster.local")
	for _, end := range []string{".svc", ".pod"} {
		if before, ok := strings.CutSuffix(short, end); ok {
			return short != name && !strings.Contains(before, ".")
		}
	}
	return name == "cluster.local" || short != name
}

// Check returns why an endpoint cannot be a forward, or nil.
func (e Endpoint) Check() error {
	switch {
	case !e.Address.IsValid() || e.Address.Port() == 0:
		return errors.New("a forward needs an address of this machine and a port")
	case e.exposed():
		return fmt.Errorf("a forward cannot ask for a password, so it listens on this machine only, and not at %s", e.Address)
	case e.Protocol != TCP && e.Protocol != HTTP:
		return fmt.Errorf("%q is no protocol of a forward: there are %s and %s", quotable(string(e.Protocol)), TCP, HTTP)
	}
	return CheckTarget(e.To)
}

// listenAddress returns where the proxy listens.
func (o Options) listenAddress() netip.Addr {
	listen := loopback
	setIf(&listen, o.Listen)
	return listen
}

// at returns the address of an endpoint. A port alone is one of listen.
func at(e writtenEndpoint, listen netip.Addr) netip.AddrPort {
	if e.Address.Addr().IsValid() {
		return e.Address
	}
	return netip.AddrPortFrom(listen, e.Address.Port())
}

// endpoints returns the further endpoints that the options have. A proxy's port alone is one of listen.
func (o Options) endpoints(listen netip.Addr) []Endpoint {
	var all []Endpoint
	for _, list := range []*[]writtenEndpoint{o.Proxies, o.Forwards, o.Nameserver} {
		if list == nil {
			continue
		}
		for _, e := range *list {
			e.Address = at(e, listen)
			all = append(all, e.Endpoint)
		}
	}
	return all
}
