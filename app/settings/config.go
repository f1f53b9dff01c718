package settings

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config is what the user's file says; config.yaml in the XDG configuration directory. Its zero value is an empty file, which is as
// good as none. Parse makes it, and it is not changed after that.
type Config struct {
	defaults Options
	contexts []block

	productionNames []string // nil: the defaults
	notifications   map[Notification]bool
	LoginShell      LoginShell // how the environment of the user's login shell is had
	Browser         string     // the browser's name or path; empty: the first one found
	Kubeconfig      []string   // the files to read in place of KUBECONFIG and ~/.kube/config; empty: those
	references      []Reference

	at    map[string]netip.AddrPort // where contexts listen in place of what stands here, by name
	there map[string]bool           // the contexts that there are
}

// A Reference is something outside the file that it names. One of the fields behind Line is set.
type Reference struct {
	Line       int
	TLS        *TLS
	Browser    string
	Kubeconfig string
}

// A block is the options that the file gives to one context, or to those whose names match.
type block struct {
	pattern string
	line    int
	options Options
}

// Options are the settings a context can have. What is nil was not written.
type Options struct {
	Port              *int
	Listen            *netip.Addr
	Outside           *Outside
	ForwardUnresolved *bool
	CrossSite         *CrossSite
	Namespace         *string
	HostNetwork       *bool
	Addresses         *[]netip.Prefix
	Namespaces        *[]string
	ClusterDomain     *string
	Password          *Password
	TLS               *TLS
	OtherUsers        *bool
	Production        *bool
	AutoOff           *time.Duration
	Carrier           *string
	APIProxy          *APIProxy

	Connections        *int
	Handshake          *time.Duration
	Idle               *time.Duration
	SessionsPerPod     *int
	SessionsPerContext *int

	portLine, listenLine int // where these stand, for problems that are found later
}

// Outside is the route of hosts that are not the cluster's.
type Outside string

// The routes for hosts outside.
const (
	Direct Outside = "direct" // from this machine
	Refuse Outside = "refuse" // not at all
)

// CrossSite is what becomes of requests that pages of other origins make to the cluster's Services.
type CrossSite string

// What can become of them.
const (
	AllowCrossSite  CrossSite = "allow"
	RefuseCrossSite CrossSite = "refuse"
)

// Password says whether clients must give one.
type Password struct {
	Wanted   bool
	User     string // empty: made up, and kept in the state
	Password string
}

// TLS is a listener that takes TLS beside plain text, and wants a certificate of its clients. All three are paths.
type TLS struct {
	Cert, Key string // the listener's own
	ClientCA  string // who must have signed the clients' certificates
}

// LoginShell says whether the environment of the user's login shell is taken over.
type LoginShell string

// The answers to login-shell. Empty is LoginShellAuto.
const (
	LoginShellAuto  LoginShell = "auto" // where the program was not started from a terminal
	LoginShellYes   LoginShell = "true"
	LoginShellNever LoginShell = "false"
)

// A Notification is a kind of notification that can be turned off by itself.
type Notification string

// The kinds of notifications.
const (
	NotifyDials    Notification = "dials"    // a connection that could not be made
	NotifyContexts Notification = "contexts" // a context that failed, or came back
	NotifyLogins   Notification = "logins"   // a login that is needed
	NotifyPorts    Notification = "ports"    // another program on a context's port
)

// Notifications lists the kinds, in the order a menu shows them.
func Notifications() []Notification {
	return []Notification{NotifyDials, NotifyContexts, NotifyLogins, NotifyPorts}
}

// merge lays newer options over older ones.
func (o Options) merge(newer Options) Options {
	overlay(&o.Port, newer.Port)
	overlay(&o.Listen, newer.Listen)
	overlay(&o.Outside, newer.Outside)
	overlay(&o.ForwardUnresolved, newer.ForwardUnresolved)
	overlay(&o.CrossSite, newer.CrossSite)
	overlay(&o.Namespace, newer.Namespace)
	overlay(&o.HostNetwork, newer.HostNetwork)
	overlay(&o.Addresses, newer.Addresses)
	overlay(&o.Namespaces, newer.Namespaces)
	overlay(&o.ClusterDomain, newer.ClusterDomain)
	overlay(&o.Password, newer.Password)
	overlay(&o.TLS, newer.TLS)
	overlay(&o.OtherUsers, newer.OtherUsers)
	overlay(&o.Production, newer.Production)
	overlay(&o.AutoOff, newer.AutoOff)
	overlay(&o.Carrier, newer.Carrier)
	overlay(&o.APIProxy, newer.APIProxy)
	overlay(&o.Connections, newer.Connections)
	overlay(&o.Handshake, newer.Handshake)
	overlay(&o.Idle, newer.Idle)
	overlay(&o.SessionsPerPod, newer.SessionsPerPod)
	overlay(&o.SessionsPerContext, newer.SessionsPerContext)
	return o
}

func overlay[T any](older **T, newer *T) {
	if newer != nil {
		*older = newer
	}
}

// options are what the file says of one context: the defaults, then each block that matches in the file's order, then the one with its
// very name, then where ListenAt has it. Later ones win.
func (c Config) options(name string) Options {
	merged := c.defaults
	for _, b := range c.contexts {
		if b.pattern != name && match(b.pattern, name) {
			merged = merged.merge(b.options)
		}
	}
	for _, b := range c.contexts {
		if b.pattern == name {
			merged = merged.merge(b.options)
		}
	}
	if at, there := c.at[name]; there {
		listen, port := at.Addr(), int(at.Port())
		merged = merged.merge(Options{Listen: &listen, Port: &port})
	}
	return merged
}

// ports are the ports that the file gives away, with the contexts that have them.
func (c Config) ports() map[int]string {
	ports := map[int]string{}
	for _, b := range c.contexts {
		if b.options.Port != nil {
			ports[*b.options.Port] = b.pattern
		}
	}
	return ports
}

// claimant returns the context to which the file gives a port that name would have, or "". A context that is not there, as one whose
// name is misspelt, takes no port from another.
func (c Config) claimant(port int, name string) string {
	for _, b := range c.contexts {
		if b.options.Port != nil && *b.options.Port == port && b.pattern != name && c.there[b.pattern] {
			return b.pattern
		}
	}
	return ""
}

// defaultProductionNames finds prod in a name, but not where it stands for something else.
var defaultProductionNames = []string{
	"*prod*", "!*product*", "*production*",
	"!*nonprod*", "!*non-prod*", "!*non_prod*", "!*preprod*", "!*pre-prod*", "!*pre_prod*",
}

// production tells by its name whether a context is one of production. The last pattern that matches decides; case does not matter.
func (c Config) production(name string) bool {
	patterns := c.productionNames
	if patterns == nil {
		patterns = defaultProductionNames
	}
	name = strings.ToLower(name)
	for _, pattern := range slices.Backward(patterns) {
		bare := strings.TrimPrefix(pattern, "!")
		if match(strings.ToLower(bare), name) {
			return bare == pattern
		}
	}
	return false
}

func isGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

// match tells whether name matches a pattern, in which * stands for any text and ? for one character. Unlike path.Match it has no
// other signs, and * stands for slashes, too: names of contexts have all of them.
func match(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
