package settings

import (
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// KonnectivityCarrier is the Carrier of a context whose connections a Konnectivity server makes.
const KonnectivityCarrier = "konnectivity"

// The values of Konnectivity's DNS, besides the host:port of a DNS server.
const (
	ClusterDNS = "true"  // the Service kube-dns
	NoDNS      = "false" // names outside are refused
)

// Konnectivity is the server that makes the connections of a context whose Carrier is KonnectivityCarrier.
type Konnectivity struct {
	Server        string // https://host:port, http://host:port or unix:///path
	CA, Cert, Key string // paths; empty for the system's roots, and for no client certificate
	Mode          string // "http-connect" or "grpc"
	DNS           string // what looks up names that are neither a Service's nor a Pod's; empty is ClusterDNS
}

// konnectivityModes are the protocols of a Konnectivity server.
var konnectivityModes = []string{"http-connect", "grpc"}

// Wrong returns what is wrong with the settings, as a sentence that names the setting; "" if nothing is.
func (k Konnectivity) Wrong() string {
	server, err := url.Parse(k.Server)
	switch {
	case k.Server == "":
		return "konnectivity takes a server, such as https://konnectivity-server:8090"
	case err != nil, !slices.Contains([]string{"https", "http", "unix"}, server.Scheme), server.User != nil, server.RawQuery != "", server.Fragment != "",
		server.Scheme == "unix" && (server.Host != "" || server.Path == ""),
		server.Scheme != "unix" && (server.Hostname() == "" || strings.Trim(server.Path, "/") != ""):
		return "the server of konnectivity is https://HOST:PORT, http://HOST:PORT or unix:///PATH"
	case server.Scheme != "https" && k.CA+k.Cert+k.Key != "":
		return "ca, cert and key of konnectivity are for a server with https, and it has " + server.Scheme
	case (k.Cert == "") != (k.Key == ""):
		return "konnectivity takes a cert and its key, and there is only one of them"
	case k.Mode != "" && !slices.Contains(konnectivityModes, k.Mode):
		return "the mode of konnectivity is " + strings.Join(konnectivityModes, " or ")
	case k.DNS != "" && k.DNS != ClusterDNS && k.DNS != NoDNS && !isHostPort(k.DNS):
		return "the dns of konnectivity is true, false, or the HOST:PORT of a DNS server"
	}
	return ""
}

// isHostPort reports whether text has the form HOST:PORT.
func isHostPort(text string) bool {
	u, err := url.Parse("dns://" + text)
	return err == nil && u.Host == text && u.Hostname() != "" && u.Port() != ""
}

// konnectivity parses the way to a Konnectivity server.
func (p *parser) konnectivity(node *yaml.Node) *Konnectivity {
	var k Konnectivity
	text := func(to *string) func(*yaml.Node) { return func(n *yaml.Node) { *to, _ = p.text(n) } }
	file := func(to *string) func(*yaml.Node) { return func(n *yaml.Node) { *to, _ = p.path(n) } }
	p.fields(node, "konnectivity", []field{
		{"server", text(&k.Server)},
		{"ca", file(&k.CA)}, {"cert", file(&k.Cert)}, {"key", file(&k.Key)},
		{"mode", text(&k.Mode)},
		{"dns", text(&k.DNS)},
	})
	if wrong := k.Wrong(); wrong != "" {
		p.problem(node, "%s", wrong)
		return nil
	}
	p.references = append(p.references, Reference{Line: node.Line, Konnectivity: &k})
	return &k
}

// overrideCarrier returns the options of a context for which UseKonnectivity was called.
func (c Config) overrideCarrier(name string) Options {
	k, ok := c.konnectivity[name]
	if !ok {
		return Options{}
	}
	carrier := KonnectivityCarrier
	return Options{Carrier: &carrier, Konnectivity: &k}
}

// setKonnectivity sets what carries the connections.
func (c *Context) setKonnectivity(written *Konnectivity) {
	if c.Carrier != KonnectivityCarrier {
		return
	}
	if written == nil {
		if c.Problem == "" {
			c.Problem = "Its carrier in the settings is konnectivity, and there is no konnectivity with the server."
		}
		return
	}
	c.Konnectivity = *written
}

// KonnectivityFiles returns the files that the context's connection to a Konnectivity server needs.
func (c Context) KonnectivityFiles() []string {
	return named(c.Konnectivity.CA, c.Konnectivity.Cert, c.Konnectivity.Key)
}
