package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxConfig bounds the size of config.yaml, in bytes.
const maxConfig = 1 << 20

// A Problem is one thing that is wrong in config.yaml. It never repeats a password.
type Problem struct {
	File string
	Line int // 0 if unknown
	Text string
}

func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems are all problems of config.yaml, in the order of the file. There is at least one.
type Problems []Problem

// Error returns one line for each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Parse parses config.yaml. It is strict: unknown keys and values are errors, returned as Problems. file is the name in
// the errors, and relative paths in the text are relative to its directory.
func Parse(text []byte, file string) (Config, error) {
	if len(text) > maxConfig {
		return Config{}, fileProblem(file, "larger than %d KiB", maxConfig>>10)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return Config{}, nil
	} else if err != nil {
		return Config{}, syntaxProblem(file, err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return Config{}, fileProblem(file, "more than one document: there must be no line of ---")
	}
	p := &parser{values: values{file: file}}
	c := p.config(document.Content[0])
	checked := checker{config: &c, file: file, named: p.vias, problems: p.problems, flaws: p.flaws}
	checked.check()
	slices.SortStableFunc(checked.flaws, func(a, b Problem) int { return a.Line - b.Line })
	c.flaws = checked.flaws
	c.references = p.references
	if len(checked.problems) > 0 {
		return Config{}, checked.problems
	}
	return c, nil
}

// syntaxProblem returns the problem of a text that is not YAML. The library's message begins with the line, if it is known.
func syntaxProblem(file string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if _, after, ok := strings.Cut(text, "line "); ok {
		if n, err := fmt.Sscanf(after, "%d:", &line); n == 1 && err == nil {
			_, text, _ = strings.Cut(after, ": ")
		}
	}
	if before, _, ok := strings.Cut(text, "unknown anchor "); ok {
		text = before + "an alias (*) of an anchor (&) that is not there: a text that begins so needs quotes" // the alias may be a password
	}
	text = quotable(text)
	if strings.Contains(text, "cannot start any token") {
		text += " (perhaps a tab: YAML is indented with spaces)"
	}
	return Problems{{file, line, "not valid YAML: " + text}}
}

// parser reads what config.yaml may contain.
type parser struct {
	values
	references []Reference
	vias       []via    // where an upstream is named
	flaws      Problems // which leave the rest of the file in force
}

func fileProblem(file, format string, args ...any) error {
	return Problems{{file, 0, fmt.Sprintf(format, args...)}}
}

func (p *parser) config(root *yaml.Node) Config {
	var c Config
	p.fields(root, "", []field{
		{"defaults", func(n *yaml.Node) { c.defaults = p.options(n, "defaults", false) }},
		{"contexts", func(n *yaml.Node) { c.contexts = p.contexts(n) }},
		{"upstreams", func(n *yaml.Node) { c.upstreams = p.upstreams(n) }},
		{"production-names", func(n *yaml.Node) {
			c.productionNames = []string{} // unlike no list, an empty one means that no name matches
			p.list(n, func(n *yaml.Node) {
				if s, ok := p.text(n); ok {
					c.productionNames = append(c.productionNames, s)
				}
			})
		}},
		{"notifications", func(n *yaml.Node) { c.notifications = p.notifications(n) }},
		{"login-shell", func(n *yaml.Node) {
			if s, ok := p.oneOf(n, "auto", "true", "false"); ok {
				c.LoginShell = LoginShell(s)
			}
		}},
		{"middle-click", func(n *yaml.Node) {
			if s, ok := p.oneOf(n, string(MiddleClickNothing), string(MiddleClickCopyURL)); ok {
				c.MiddleClick = MiddleClick(s)
			}
		}},
		{"browser", func(n *yaml.Node) {
			if c.Browser, _ = p.text(n); c.Browser != "" {
				p.references = append(p.references, Reference{Line: n.Line, Browser: c.Browser})
			}
		}},
		{"kubeconfig", func(n *yaml.Node) {
			p.list(n, func(n *yaml.Node) {
				if path, ok := p.path(n); ok {
					c.Kubeconfig = append(c.Kubeconfig, path)
					p.references = append(p.references, Reference{Line: n.Line, Kubeconfig: path})
				}
			})
		}},
	})
	return c
}

func (p *parser) contexts(node *yaml.Node) []block {
	var blocks []block
	p.pairs(node, func(key, value *yaml.Node) {
		if key.Value == "" {
			p.problem(key, "a context without a name")
			return
		}
		options := p.options(value, quotable(key.Value), !isGlob(key.Value))
		blocks = append(blocks, block{key.Value, key.Line, options})
	})
	return blocks
}

func (p *parser) notifications(node *yaml.Node) map[Notification]bool {
	on := map[Notification]bool{}
	var fields []field
	for _, kind := range Notifications() {
		fields = append(fields, field{string(kind), func(n *yaml.Node) {
			if b := p.boolean(n); b != nil {
				on[kind] = *b
			}
		}})
	}
	p.fields(node, "notifications", fields)
	return on
}

// options parses what can be in defaults and below a context. one reports whether they are for a single context.
func (p *parser) options(node *yaml.Node, where string, one bool) Options {
	var o Options
	p.fields(node, where, []field{
		{"port", func(n *yaml.Node) {
			if o.Port, o.portLine = p.integer(n, lastPort), n.Line; !one {
				p.problem(n, "a port is one context's: it can stand below a full name only")
			}
		}},
		{"listen", func(n *yaml.Node) { o.Listen, o.listenLine = p.address(n), n.Line }},
		{"outside", func(n *yaml.Node) { o.Outside = p.outside(n) }},
		{"routes", func(n *yaml.Node) { o.Routes = p.routes(n) }},
		{"forward-unresolved", func(n *yaml.Node) { o.ForwardUnresolved = p.boolean(n) }},
		{"cross-site", func(n *yaml.Node) {
			if s, ok := p.oneOf(n, string(AllowCrossSite), string(RefuseCrossSite)); ok {
				crossSite := CrossSite(s)
				o.CrossSite = &crossSite
			}
		}},
		{"namespace", func(n *yaml.Node) { o.Namespace = p.namespace(n) }},
		{"host-network", func(n *yaml.Node) { o.HostNetwork = p.boolean(n) }},
		{"addresses", func(n *yaml.Node) { o.Addresses = p.prefixes(n) }},
		{"cluster-domain", func(n *yaml.Node) { o.ClusterDomain = p.domain(n) }},
		{"namespaces", func(n *yaml.Node) { o.Namespaces = p.namespaces(n) }},
		{"password", func(n *yaml.Node) { o.Password = p.password(n) }},
		{"tls", func(n *yaml.Node) { o.TLS = p.tls(n) }},
		{"other-users", func(n *yaml.Node) { o.OtherUsers = p.boolean(n) }},
		{"production", func(n *yaml.Node) { o.Production = p.boolean(n) }},
		{"auto-off", func(n *yaml.Node) { o.AutoOff = p.duration(n) }},
		{"carrier", func(n *yaml.Node) {
			if s, ok := p.oneOf(n, "auto", "spdy", "websocket", KonnectivityCarrier); ok {
				if s == "auto" {
					s = ""
				}
				o.Carrier = &s
			}
		}},
		{"konnectivity", func(n *yaml.Node) { o.Konnectivity = p.konnectivity(n) }},
		{"api-proxy", func(n *yaml.Node) { o.APIProxy = p.apiProxy(n) }},
		{"forwards", func(n *yaml.Node) { o.Forwards = p.forwards(n, one) }},
		{"proxies", func(n *yaml.Node) { o.Proxies = p.proxies(n, one) }},
		{"dns", func(n *yaml.Node) { o.Nameserver = p.nameserver(n, one) }},
		{"dns-outside", func(n *yaml.Node) {
			if s, ok := p.oneOf(n, string(RefuseNames), string(ForwardNames)); ok {
				outside := NamesOutside(s)
				o.NamesOutside = &outside
			}
		}},
		{"limits", func(n *yaml.Node) {
			p.fields(n, "limits", []field{
				{"connections", func(n *yaml.Node) { o.Connections = p.integer(n, 1_000_000) }},
				{"handshake", func(n *yaml.Node) { o.Handshake = p.duration(n) }},
				{"idle", func(n *yaml.Node) { o.Idle = p.duration(n) }},
				{"sessions-per-pod", func(n *yaml.Node) { o.SessionsPerPod = p.integer(n, 10_000) }},
				{"sessions-per-context", func(n *yaml.Node) { o.SessionsPerContext = p.integer(n, 10_000) }},
			})
		}},
	})
	return o
}

// password parses yes or no, or a user and a password.
func (p *parser) password(node *yaml.Node) *Password {
	switch {
	case node.Kind == yaml.MappingNode:
	case node.Value == "true" || node.Value == "false":
		return &Password{Wanted: node.Value == "true"}
	default:
		p.problem(node, "a password is true, false, or a user and a password: {user: me, password: something}")
		return nil
	}
	p.secrets = true
	defer func() { p.secrets = false }()
	given := Password{Wanted: true}
	p.fields(node, "password", []field{
		{"user", func(n *yaml.Node) { given.User = p.secret(n) }},
		{"password", func(n *yaml.Node) { given.Password = p.secret(n) }},
	})
	if given.User == "" || given.Password == "" {
		p.problem(node, "a password takes both a user and a password, or is true to have both made up")
	}
	return &given
}

// maxSecret is the greatest length of a user and of a password in SOCKS5, in bytes (RFC 1929).
const maxSecret = 255

// secret parses a text that no problem repeats.
func (v *values) secret(node *yaml.Node) string {
	node = resolved(node)
	switch {
	case node.Kind != yaml.ScalarNode:
		v.problem(node, "this must be a text")
	case len(node.Value) > maxSecret:
		v.problem(node, "this is longer than %d bytes, which SOCKS5 cannot carry", maxSecret)
	case strings.ContainsFunc(node.Value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		v.problem(node, "this has characters that cannot be typed")
	default:
		return node.Value
	}
	return ""
}

func (p *parser) tls(node *yaml.Node) *TLS {
	var t TLS
	file := func(path *string) func(*yaml.Node) { return func(n *yaml.Node) { *path, _ = p.path(n) } }
	p.fields(node, "tls", []field{{"cert", file(&t.Cert)}, {"key", file(&t.Key)}, {"client-ca", file(&t.ClientCA)}})
	if t.Cert == "" || t.Key == "" || t.ClientCA == "" {
		p.problem(node, "tls takes three files: cert, key and client-ca, since it lets in only clients with a certificate")
	}
	p.references = append(p.references, Reference{Line: node.Line, TLS: &t})
	return &t
}

// guarded reports whether clients must authenticate.
func guarded(o Options) bool {
	return o.TLS != nil || o.Password != nil && o.Password.Wanted
}
