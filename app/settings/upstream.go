package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// An Upstream is a forward proxy that routes can lead through.
type Upstream struct {
	Name string
	// URL has the scheme http, https, socks5 or socks5h, and secret credentials. It is nil if it could not be read.
	URL *url.URL
	// CA has the authorities of the proxy's certificate, and Cert and Key the certificate that it is shown; all are paths,
	// and empty for none. ServerName is the name in the proxy's certificate, if it is not that of URL.
	CA, Cert, Key, ServerName string
	InCluster                 bool   // connections to it are made in the context's cluster
	Via                       string // the upstream that leads to it; empty for none
	// Problem is why it cannot be used, in one sentence without a full stop; empty if it may.
	Problem string

	line, viaLine, urlLine int
}

// Secure reports whether connections to the proxy are inside TLS.
func (u Upstream) Secure() bool {
	return u.URL != nil && u.URL.Scheme == "https" || u.CA != "" || u.Cert != "" || u.ServerName != ""
}

// Files returns the certificate files that the upstream names.
func (u Upstream) Files() []string { return named(u.CA, u.Cert, u.Key) }

// named returns the files that have a name.
func named(files ...string) []string {
	return slices.DeleteFunc(files, func(file string) bool { return file == "" })
}

// Fingerprint returns a text that is different for different upstreams, including their passwords, but does not reveal a
// password.
func (u Upstream) Fingerprint() string {
	address := ""
	if u.URL != nil {
		address = u.URL.String()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %t %q %q", u.Name, address, u.CA, u.Cert, u.Key, u.ServerName, u.InCluster, u.Via, u.Problem))
	return hex.EncodeToString(sum[:])
}

// String returns the upstream without its credentials.
func (u Upstream) String() string { return u.Name + " " + APIProxy{URL: u.URL}.String() }

// upstreamName matches the names of upstreams, which appear in menus and logs.
var upstreamName = regexp.MustCompile(`^[A-Za-z0-9][-_.A-Za-z0-9]{0,39}$`)

// reserved are the names of routes that no upstream can have.
var reserved = []string{string(Direct), string(Refuse), "cluster", "outside", EgressName}

// upstreams parses the forward proxies that routes can name. What is wrong with one makes that one unusable.
func (p *parser) upstreams(node *yaml.Node) map[string]Upstream {
	all := map[string]Upstream{}
	p.pairs(node, func(key, value *yaml.Node) {
		u := Upstream{Name: key.Value, line: key.Line}
		u.Problem = p.contained(func() { p.upstream(key, value, &u) })
		if upstreamName.MatchString(u.Name) {
			all[u.Name] = u
		}
	})
	return all
}

// contained calls parse, and makes the problems that it finds ones that leave the rest of the file in force. It returns
// the first one, with its line.
func (p *parser) contained(parse func()) (first string) {
	before := len(p.problems)
	parse()
	found := slices.Clone(p.problems[before:])
	p.problems, p.flaws = p.problems[:before], append(p.flaws, found...)
	if len(found) > 0 {
		first = fmt.Sprintf("line %d of the settings: %s", found[0].Line, found[0].Text)
	}
	return first
}

func (p *parser) upstream(key, value *yaml.Node, u *Upstream) {
	switch {
	case !upstreamName.MatchString(u.Name):
		p.problem(key, "%q cannot be the name of an upstream: a name has up to 40 letters, digits, hyphens, underscores and dots, and begins with a letter or a digit", keyName(u.Name))
	case slices.Contains(reserved, u.Name):
		p.problem(key, "no upstream can be named %s: routes use that word for another thing", u.Name)
	}
	file := func(part string, path *string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if *path, _ = p.path(n); *path != "" {
				p.references = append(p.references, Reference{Line: n.Line, Upstream: u, Part: part})
			}
		}
	}
	p.fields(value, "upstream "+quotable(u.Name), []field{
		{"url", func(n *yaml.Node) { u.URL, u.urlLine = p.upstreamURL(n), n.Line }},
		{"ca", file("ca", &u.CA)},
		{"cert", file("cert", &u.Cert)},
		{"key", file("key", &u.Key)},
		{"server-name", func(n *yaml.Node) {
			if name := p.domain(n); name != nil {
				u.ServerName = *name
			}
		}},
		{"in", func(n *yaml.Node) { _, u.InCluster = p.oneOf(n, "cluster") }},
		{"via", func(n *yaml.Node) { u.Via, _ = p.text(n); u.viaLine = n.Line }},
	})
	switch {
	case u.urlLine == 0 && isMapping(value):
		p.problem(value, "upstream %s has no url", quotable(u.Name))
	case (u.Cert == "") != (u.Key == ""):
		p.problem(value, "upstream %s needs both cert and key, or neither", quotable(u.Name))
	case u.InCluster && u.Via != "":
		p.problem(value, "upstream %s is either in the cluster or behind another upstream: \"in\" and \"via\" exclude each other", quotable(u.Name))
	}
}

// isMapping reports whether a node has keys with values, or nothing, which counts as none of them. What it has otherwise
// is a problem already.
func isMapping(node *yaml.Node) bool {
	node = resolved(node)
	return node.Kind == yaml.MappingNode || node.Tag == "!!null"
}

// upstreamURL parses the URL of a forward proxy. No problem repeats it, because it may contain a password.
func (p *parser) upstreamURL(node *yaml.Node) *url.URL {
	const want = "the url of an upstream begins with http://, https://, socks5:// or socks5h://"
	if node.Kind != yaml.ScalarNode {
		p.problem(node, "%s, and is not %s", want, kind(node))
		return nil
	}
	scheme, _, isURL := strings.Cut(node.Value, "://")
	if !isURL || !slices.Contains(apiProxySchemes, strings.ToLower(scheme)) {
		p.problem(node, want)
		return nil
	}
	via, err := proxyURL(node.Value)
	if err != nil {
		p.problem(node, "the url of the upstream %v", err)
		return nil
	}
	return via
}

// withoutOwn returns c with a Problem in each upstream that is a context's port according to the state file.
func (c Config) withoutOwn(known map[string]contextState) Config {
	for name, u := range c.upstreams {
		if u.Problem != "" || u.URL == nil || !u.isAt(netip.AddrPortFrom(loopback, portOf(u.URL))) {
			continue // most are on other machines
		}
		for _, now := range known {
			if now.proxyPort().Port == int(portOf(u.URL)) {
				c.upstreams = maps.Clone(c.upstreams)
				u.Problem = ownPort(u)
				c.upstreams[name] = u
				break
			}
		}
	}
	return c
}

// Upstreams returns the forward proxies that routes can lead through, by name.
func (s *Settings) Upstreams() map[string]Upstream { return s.Config().upstreams }

// portOf returns the port that a URL names, or 0.
func portOf(via *url.URL) uint16 {
	port, _ := strconv.ParseUint(via.Port(), 10, 16)
	return uint16(port)
}

func ownPort(u Upstream) string {
	return fmt.Sprintf("upstream %s is a port of Fairlead's own: connections would lead back here", u.Name)
}

// isAt reports whether a proxy that is connected to from this machine is at an address, as far as its URL shows.
func (u Upstream) isAt(address netip.AddrPort) bool {
	return u.URL != nil && !u.InCluster && u.Via == "" && address.Port() != 0 && APIProxy{URL: u.URL}.at(address)
}

// circle returns the chain by which an upstream leads into itself, or "" if it does not.
func (c Config) circle(name string) string {
	chain := []string{name}
	for at := c.upstreams[name].Via; at != ""; at = c.upstreams[at].Via {
		if chain = append(chain, at); at == name {
			return strings.Join(chain, " → ")
		}
		if len(chain) > len(c.upstreams)+1 {
			return "" // a circle of others
		}
	}
	return ""
}

func unknownUpstream(name string, known []string) string {
	text := fmt.Sprintf("there is no upstream %q", quotable(name))
	var fields []field
	for _, k := range known {
		fields = append(fields, field{key: k})
	}
	if len(fields) == 0 {
		return text + ": the settings name none, below upstreams"
	}
	return text + ": " + suggestion(name, fields)
}

// Chain returns the upstreams to connect to in turn to get through the one with this name, or why that cannot be done, in
// one sentence without a full stop.
func (c Context) Chain(name string) (chain []Upstream, problem string) {
	if name == "" {
		return nil, "no upstream is named"
	}
	for at := name; at != ""; {
		u, known := c.Upstreams[at]
		switch {
		case !known && at == EgressName:
			return nil, fmt.Sprintf("there is none in the cluster, and \"fairlead egress deploy %s\" makes one", c.Name)
		case !known:
			return nil, unknownUpstream(at, nil)
		case u.Problem != "":
			return nil, u.Problem
		case len(chain) > len(c.Upstreams):
			return nil, fmt.Sprintf("upstream %s leads into itself", name)
		}
		chain = append(chain, u)
		at = u.Via
	}
	slices.Reverse(chain)
	return chain, ""
}
