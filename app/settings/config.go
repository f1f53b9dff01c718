package settings

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Config is the content of the user's file, config.yaml in the XDG configuration directory. The zero value is an empty
// file, which is equal to none. Parse returns a Config, and it is not modified after that.
type Config struct {
	defaults Options
	contexts []block

	productionNames []string // nil for marksProduction
	notifications   map[Notification]bool
	LoginShell      LoginShell // whether to read the environment of the user's login shell
	MiddleClick     MiddleClick
	Browser         string   // the browser's name or path; empty for the first one found
	Kubeconfig      []string // files that replace KUBECONFIG and ~/.kube/config; empty for those
	references      []Reference
	upstreams       map[string]Upstream // by name
	flaws           Problems            // what is wrong with single upstreams and routes, which leaves the rest in force

	at    map[string][]netip.AddrPort // by context, the addresses of ListenAt
	there map[string]bool             // the contexts that exist

	konnectivity map[string]Konnectivity // by context, those of UseKonnectivity
}

// A Reference is a file, browser or context that the user's file names. One of the fields after Line is set; Part comes
// with Upstream.
type Reference struct {
	Line       int
	TLS        *TLS
	Browser    string
	Kubeconfig string
	Upstream   *Upstream
	Part       string // of Upstream: ca, cert or key

	Konnectivity *Konnectivity
	Listen       netip.AddrPort // of a forward, or a further port of a proxy
}

// A block contains the options for one context, or for those whose names match.
type block struct {
	pattern string
	line    int
	options Options
}

// Options are the settings of a context. Each is a pointer, and nil if it was not written.
type Options struct {
	Port              *int
	Listen            *netip.Addr
	Outside           *Outside
	Routes            *[]Route
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
	Konnectivity      *Konnectivity
	APIProxy          *APIProxy
	Forwards          *[]writtenEndpoint
	Proxies           *[]writtenEndpoint
	Nameserver        *[]writtenEndpoint // one
	NamesOutside      *NamesOutside

	Connections        *int
	Handshake          *time.Duration
	Idle               *time.Duration
	SessionsPerPod     *int
	SessionsPerContext *int

	portLine, listenLine int // lines of port and listen, for problems found later
}

// Outside is the route of hosts outside the cluster: Direct, Refuse, or the name of an upstream.
type Outside string

// The routes for hosts outside that are no upstreams.
const (
	Direct Outside = "direct" // from this machine
	Refuse Outside = "refuse" // not at all
)

// CrossSite is how requests from pages of other origins to the cluster's Services are treated.
type CrossSite string

// The values of CrossSite.
const (
	AllowCrossSite  CrossSite = "allow"
	RefuseCrossSite CrossSite = "refuse"
)

// NamesOutside is what a context's nameserver does with questions about names that are not the cluster's.
type NamesOutside string

// The values of NamesOutside.
const (
	RefuseNames  NamesOutside = "refuse"
	ForwardNames NamesOutside = "forward" // to this machine's DNS servers
)

// Password is whether clients need a password, and which.
type Password struct {
	Wanted   bool
	User     string // if empty, both are generated and kept in the state
	Password string
}

// TLS configures a listener that accepts TLS as well as plain text, and requires a certificate of its clients. All
// three are paths.
type TLS struct {
	Cert, Key string // of the listener
	ClientCA  string // the authority of the clients' certificates
}

// LoginShell is whether the environment of the user's login shell is applied.
type LoginShell string

// The values of login-shell. Empty means LoginShellAuto.
const (
	LoginShellAuto  LoginShell = "auto" // if the program was not started from a terminal
	LoginShellYes   LoginShell = "true"
	LoginShellNever LoginShell = "false"
)

// MiddleClick is what a middle click on the tray icon does.
type MiddleClick string

// The values of middle-click. Empty means MiddleClickNothing.
const (
	MiddleClickNothing MiddleClick = "nothing"
	MiddleClickCopyURL MiddleClick = "copy-url" // copies the URL of the context that is on and was switched on last
)

// A Notification is a kind of notification that can be turned off.
type Notification string

// The kinds of notifications.
const (
	NotifyStarts   Notification = "starts"   // a context that the user switched on is on
	NotifyDials    Notification = "dials"    // a connection that failed
	NotifyContexts Notification = "contexts" // a context that failed, or came back
	NotifyLogins   Notification = "logins"   // a login is needed
	NotifyPorts    Notification = "ports"    // another program on a context's port
)

// Notifications lists the kinds, in the order a menu shows them.
func Notifications() []Notification {
	return []Notification{NotifyStarts, NotifyDials, NotifyContexts, NotifyLogins, NotifyPorts}
}

// merge returns o with the options of newer on top.
func (o Options) merge(newer Options) Options {
	to, from := reflect.ValueOf(&o).Elem(), reflect.ValueOf(newer)
	for i := range from.NumField() {
		if option := from.Field(i); option.Kind() == reflect.Pointer && !option.IsNil() {
			to.Field(i).Set(option)
		}
	}
	return o
}

// options returns what the file says about a context: the defaults, then each matching block in order, then the block
// with its exact name, then the first address of ListenAt. Later ones win.
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
	if at := c.at[name]; len(at) > 0 {
		listen, port := at[0].Addr(), int(at[0].Port())
		merged = merged.merge(Options{Listen: &listen, Port: &port})
	}
	return merged.merge(c.overrideCarrier(name))
}

// further returns the endpoints of a context after the first one.
func (c Config) further(name string) []Endpoint {
	var further []Endpoint
	if at := c.at[name]; len(at) > 0 {
		for _, address := range at[1:] {
			further = append(further, Endpoint{Address: address})
		}
	}
	return further
}

// ports returns the ports in the file, with the contexts that have them.
func (c Config) ports() map[int]string {
	ports := map[int]string{}
	for _, b := range c.contexts {
		if b.options.Port != nil {
			ports[*b.options.Port] = b.pattern
		}
		for _, e := range b.options.endpoints(loopback) {
			ports[int(e.Address.Port())] = b.pattern
		}
	}
	return ports
}

// claimant returns the context that has a port in the file if name has another one's, or "". A context that does not
// exist, such as one with a misspelt name, takes no port from another.
func (c Config) claimant(port int, name string) string {
	for _, b := range c.contexts {
		if b.options.Port != nil && *b.options.Port == port && b.pattern != name && c.there[b.pattern] {
			return b.pattern
		}
	}
	return ""
}

// production reports whether a context's name marks it as a production one. Of the user's patterns the last matching one
// decides. Case is ignored.
func (c Config) production(name string) bool {
	if c.productionNames == nil {
		return marksProduction(name)
	}
	name = strings.ToLower(name)
	for _, pattern := range slices.Backward(c.productionNames) {
		bare := strings.TrimPrefix(pattern, "!")
		if match(strings.ToLower(bare), name) {
			return bare == pattern
		}
	}
	return false
}

func isGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

// match reports whether name matches a pattern, in which * stands for any text and ? for one character. Unlike
// path.Match it has no other special characters, and * also matches slashes, because names of contexts contain all of
// these.
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
