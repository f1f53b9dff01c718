package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Context is what holds for one context: the user's file and what was chosen in the menu, taken together.
type Context struct {
	Name              string
	Port              int // 0 where none is given yet; Prepare gives one
	Listen            netip.Addr
	Outside           Outside
	ForwardUnresolved bool           // a forward proxy on this machine is given names that do not resolve here
	CrossSite         CrossSite      // whether pages of other origins may ask the cluster's Services
	Namespace         string         // for names that carry none; empty: the kubeconfig's
	HostNetwork       bool           // Pods on their node's network may be reached
	Addresses         []netip.Prefix // the cluster's, besides those found out
	ClusterDomain     string         // the domain of the cluster's names, where it is not cluster.local
	Namespaces        []string       // those whose Services may have names that other networks have, too
	Password          bool           // clients must give the Credentials
	Credentials       Credentials    // empty where none are wanted, or none are made up yet; Prepare makes them up
	TLS               *TLS           // nil: no TLS on the port
	RequireTLS        bool           // clients without TLS are turned away, for they show nothing else
	OtherUsers        bool           // other users of this machine are let in
	Production        bool
	AutoOff           time.Duration // 0: it stays on
	Carrier           string        // "spdy" or "websocket"; empty: what works
	APIProxy          APIProxy
	Limits            Limits
	Used              time.Time // when it was last switched on; zero if never

	// Displaced is the port that it has had and will have again, while the user's file gives it to the context Claimant; 0: none is.
	Displaced int
	Claimant  string

	fixed bool // the port is the file's
	lost  bool // the port it had is now another's, and it has none yet

	// Problem is why its proxy must not start with these settings, in one sentence; empty if it can.
	Problem string
}

// Limits bound what the clients of one context can take.
type Limits struct {
	Connections        int           // clients at a time
	Handshake          time.Duration // from the connection to a complete request
	Idle               time.Duration // without a byte until a connection is ended; 0: never
	SessionsPerPod     int
	SessionsPerContext int
}

// Credentials are what clients give where a password is wanted.
type Credentials struct{ User, Password string }

// Address is host:port, with port 0 where none is given yet.
func (c Context) Address() string {
	return netip.AddrPortFrom(c.Listen, uint16(c.Port)).String()
}

// Exposed tells whether other machines can reach the address.
func (c Context) Exposed() bool { return !c.Listen.IsLoopback() }

// Fingerprint differs when something differs that a running proxy must take up. It reveals nothing of a password.
func (c Context) Fingerprint() string {
	// What the model itself looks after is no concern of the proxy.
	c.Production, c.AutoOff, c.Used = false, 0, time.Time{}
	if !c.fixed {
		c.Port = 0 // which is given once, and stays
	}
	var tls TLS
	if c.TLS != nil {
		tls = *c.TLS
	}
	c.TLS = nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", fmt.Sprintf("%+v", c), tls, c.APIProxy.Fingerprint()))
	return hex.EncodeToString(sum[:])
}

// What holds where nobody says anything.
var (
	loopback      = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	defaultLimits = Limits{Connections: 1024, Handshake: 15 * time.Second, SessionsPerPod: 32, SessionsPerContext: 128}
)

// madeUpUser is the user's name where the password is made up.
const madeUpUser = "fairlead"

// context is what holds for a context with these options of the file and this memory.
func (c Config) context(name string, now contextState) Context {
	o := c.options(name)
	e := Context{
		Name: name, Port: now.Port, Listen: loopback, Outside: Direct, CrossSite: AllowCrossSite, TLS: o.TLS, Limits: defaultLimits,
		Production: c.production(name),
	}
	e.fixed = o.Port != nil
	if claimant := c.claimant(now.Port, name); claimant != "" && !e.fixed {
		e.Port, e.Displaced, e.Claimant = now.Moved, now.Port, claimant
		if c.claimant(now.Moved, name) != "" {
			e.Port, e.lost = 0, true
		}
	}
	setIf(&e.Port, o.Port)
	setIf(&e.Listen, o.Listen)
	setIf(&e.Outside, o.Outside)
	setIf(&e.ForwardUnresolved, o.ForwardUnresolved)
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
	if chosen := Outside(now.Outside.pick(string(e.Outside))); chosen == Direct || chosen == Refuse {
		e.Outside = chosen
	}
	e.Production = now.Production.pick(strconv.FormatBool(e.Production)) == "true"
	e.setAccess(o.Password, now)
	if e.Problem == "" && e.APIProxy.at(netip.AddrPortFrom(e.Listen, uint16(e.Port))) {
		e.Problem = "Its api-proxy in the settings is its own address: the way to its API server cannot lead through itself."
	}
	return e
}

// admit says who is let in.
func (c *Context) setAccess(given *Password, now contextState) {
	written := given != nil && given.Wanted
	c.Password = now.WantsOne.pick(strconv.FormatBool(written)) == "true"
	if c.Exposed() && c.TLS == nil {
		c.Password = c.Password || written // what the file wants for a network, no click takes away
	}
	c.RequireTLS = c.Exposed() && c.TLS != nil && !c.Password
	if c.Exposed() && c.TLS == nil && !c.Password {
		c.Problem = fmt.Sprintf("It would let in anybody who can reach %s: it needs a password, or TLS with client certificates, in the settings.", c.Listen)
	}
	switch {
	case !c.Password:
	case written && given.User != "":
		c.Credentials = Credentials{given.User, given.Password}
	case now.Password != "":
		c.Credentials = Credentials{madeUpUser, now.Password}
	}
}

func setIf[T any](to *T, written *T) {
	if written != nil {
		*to = *written
	}
}
