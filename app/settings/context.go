package settings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Context is the effective settings of one context: the user's file combined with the choices from the menu.
type Context struct {
	Name              string
	Endpoints         []Endpoint // where it listens; the first is its proxy's
	Outside           Outside
	Routes            []Route             // of hosts outside; the first match decides, and Outside comes after them
	Upstreams         map[string]Upstream // by name
	Egress            Egress              // the one of Upstreams that is named EgressName
	ForwardUnresolved bool                // names that do not resolve here may be sent to a forward proxy on this machine
	NamesOutside      NamesOutside        // of the nameserver, for names that are not the cluster's
	CrossSite         CrossSite           // whether pages of other origins may send requests to the cluster's Services
	Namespace         string              // for names without one; empty for the kubeconfig's
	HostNetwork       bool                // Pods in their node's network can be reached
	Addresses         []netip.Prefix      // of the cluster, in addition to those found
	ClusterDomain     string              // the cluster's DNS domain, if it is not cluster.local
	Namespaces        []string            // namespaces whose Services may have names that also exist outside
	Password          bool                // clients need the Credentials
	Credentials       Credentials         // empty if none are needed or generated yet; Prepare generates them
	TLS               *TLS                // nil for no TLS on the port
	RequireTLS        bool                // clients without TLS are refused, because there is no password
	OtherUsers        bool                // other users of this machine may connect
	Production        bool
	AutoOff           time.Duration // 0 means never
	Carrier           string        // "spdy", "websocket" or KonnectivityCarrier; empty for the port-forward that works
	Konnectivity      Konnectivity  // for KonnectivityCarrier
	APIProxy          APIProxy
	Limits            Limits
	Used              time.Time // when it was last switched on; zero if never

	// Displaced is the context's own port while the user's file assigns that port to the context Claimant; otherwise 0.
	// The context gets it back later.
	Displaced int
	Claimant  string

	NoProxy bool // only its forwards are served

	fixed bool // the file assigns the proxy's port
	lost  bool // its port is now another context's, and it has no new one yet

	// Problem is why the proxy must not start with these settings, in one sentence; empty if it may.
	Problem string
}

// Limits bound what the clients of one context can use.
type Limits struct {
	Connections        int           // simultaneous clients
	Handshake          time.Duration // from the connection to a complete request
	Idle               time.Duration // time without a byte after which a connection is closed; 0 means never
	SessionsPerPod     int
	SessionsPerContext int
}

// Credentials are the user and password that clients need.
type Credentials struct{ User, Password string }

// Proxy returns the endpoint of the context's proxy.
func (c Context) Proxy() Endpoint { return c.Endpoints[0] }

// Port returns the port of the context's proxy, or 0 if none is assigned yet.
func (c Context) Port() int { return int(c.Proxy().Address.Port()) }

// Exposed reports whether other machines can reach one of the context's endpoints.
func (c Context) Exposed() bool { return slices.ContainsFunc(c.Endpoints, Endpoint.exposed) }

// Fingerprint returns a text that changes when something changes that a running proxy must apply. It does not reveal a
// password.
func (c Context) Fingerprint() string {
	// These are the model's business, not the proxy's.
	c.Production, c.AutoOff, c.Used = false, 0, time.Time{}
	if !c.fixed { // then the port is assigned once, and stays
		c.Endpoints = slices.Clone(c.Endpoints)
		c.Endpoints[0].Address = netip.AddrPortFrom(c.Proxy().Address.Addr(), 0)
	}
	var tls TLS
	if c.TLS != nil {
		tls = *c.TLS
	}
	c.TLS = nil
	var upstreams []string
	for _, name := range slices.Sorted(maps.Keys(c.Upstreams)) {
		upstreams = append(upstreams, c.Upstreams[name].Fingerprint())
	}
	c.Upstreams = nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", fmt.Sprintf("%+v", c), tls, c.APIProxy.Fingerprint(), upstreams))
	return hex.EncodeToString(sum[:])
}

// The defaults.
var (
	loopback      = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	defaultLimits = Limits{Connections: 1024, Handshake: 15 * time.Second, SessionsPerPod: 32, SessionsPerContext: 128}
)

// generatedUser is the user's name if the password is generated.
const generatedUser = "fairlead"

// context returns the effective settings of a context, with options from the file and with this state.
func (c Config) context(name string, now contextState) Context {
	o := c.options(name)
	e := Context{
		Name: name, Outside: Direct, NamesOutside: RefuseNames, CrossSite: AllowCrossSite, TLS: o.TLS, Limits: defaultLimits,
		Production: c.production(name),
	}
	assigned := now.proxyPort()
	port, listen := assigned.Port, loopback
	e.fixed = o.Port != nil
	if claimant := c.claimant(assigned.Port, name); claimant != "" && !e.fixed {
		port, e.Displaced, e.Claimant = assigned.Moved, assigned.Port, claimant
		if c.claimant(assigned.Moved, name) != "" {
			port, e.lost = 0, true
		}
	}
	setIf(&port, o.Port)
	setIf(&listen, o.Listen)
	e.Endpoints = append([]Endpoint{{Address: netip.AddrPortFrom(listen, uint16(port))}}, c.further(name)...)
	e.Endpoints = append(e.Endpoints, o.endpoints(listen)...)
	for _, chosen := range now.Forwards {
		if f, ok := chosen.endpoint(); ok && !slices.ContainsFunc(e.Endpoints, f.Overlaps) {
			e.Endpoints = append(e.Endpoints, f)
		}
	}
	setIf(&e.Outside, o.Outside)
	setIf(&e.Routes, o.Routes)
	e.Upstreams, e.Egress = withEgress(c.upstreams, now.Egress.Egress), now.Egress.Egress
	setIf(&e.ForwardUnresolved, o.ForwardUnresolved)
	setIf(&e.NamesOutside, o.NamesOutside)
	setIf(&e.CrossSite, o.CrossSite)
	setIf(&e.Namespace, o.Namespace)
	setIf(&e.HostNetwork, o.HostNetwork)
	setIf(&e.Addresses, o.Addresses)
	setIf(&e.Namespaces, o.Namespaces)
	setIf(&e.ClusterDomain, o.ClusterDomain)
	setIf(&e.OtherUsers, o.OtherUsers)
	setIf(&e.Production, o.Production)
	setIf(&e.AutoOff, o.AutoOff)
	setIf(&e.Carrier, o.Carrier)
	setIf(&e.APIProxy, o.APIProxy)
	setIf(&e.Limits.Connections, o.Connections)
	setIf(&e.Limits.Handshake, o.Handshake)
	setIf(&e.Limits.Idle, o.Idle)
	setIf(&e.Limits.SessionsPerPod, o.SessionsPerPod)
	setIf(&e.Limits.SessionsPerContext, o.SessionsPerContext)
	if now.Used > 0 {
		e.Used = time.Unix(now.Used, 0)
	}

	e.Namespace = now.Namespace.pick(e.Namespace)
	if chosen := Outside(now.Outside.pick(string(e.Outside))); e.isRoute(chosen) {
		e.Outside = chosen
	}
	e.Production = now.Production.pick(strconv.FormatBool(e.Production)) == "true"
	e.setAccess(o.Password, now)
	e.setKonnectivity(o.Konnectivity)
	if e.Problem == "" && slices.ContainsFunc(e.Endpoints, func(own Endpoint) bool { return e.APIProxy.at(own.Address) }) {
		e.Problem = "Its api-proxy in the settings is its own address: the way to its API server cannot lead through itself."
	}
	return e
}

// setAccess sets who may connect.
func (c *Context) setAccess(given *Password, now contextState) {
	written := given != nil && given.Wanted
	c.Password = now.WantsPassword.pick(strconv.FormatBool(written)) == "true"
	if c.Exposed() && c.TLS == nil {
		c.Password = c.Password || written // a click cannot remove a password that the file requires for other machines
	}
	c.RequireTLS = c.Exposed() && c.TLS != nil && !c.Password
	if at := slices.IndexFunc(c.Endpoints, Endpoint.exposed); at >= 0 && c.TLS == nil && !c.Password {
		c.Problem = fmt.Sprintf("It would let in anybody who can reach %s: it needs a password, or TLS with client certificates, in the settings.",
			c.Endpoints[at].Address.Addr())
	}
	switch {
	case !c.Password:
	case written && given.User != "":
		c.Credentials = Credentials{given.User, given.Password}
	case now.Password != "":
		c.Credentials = Credentials{generatedUser, now.Password}
	}
}

func setIf[T any](to *T, written *T) {
	if written != nil {
		*to = *written
	}
}

// Domain returns the cluster's DNS domain: the one in the settings, or the one that clusters have by default.
func (c Context) Domain() string { return cmp.Or(c.ClusterDomain, "cluster.local") }
