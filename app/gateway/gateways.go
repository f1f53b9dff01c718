// Package gateway makes contexts into proxies: for each one that is switched on a listener, a proxy server, the routes of
// its clients, and the cluster that those lead into. It applies changes of the kubeconfig and the settings to contexts
// that are on. It decides neither which contexts are on, which is package session's, nor how a connection is carried,
// which is the work of packages proxy and kube; and it shows nothing to anybody.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/portholder"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/kube/kubeconfig"
	"fairlead/proxy"
)

// Config is what the gateways are made from.
type Config struct {
	// Kubeconfig returns the kubeconfig as it is now.
	Kubeconfig func() *kubeconfig.Config
	Settings   *settings.Settings
	// Failed is called with a connection into a context's cluster that failed before a byte was relayed, and what is
	// said of it. It must not block. It may be nil.
	Failed func(context, target string, said explain.Explanation)
	// Own reports whether one of Fairlead's listeners has an address. It stands in for the gateways that run here, in a
	// program that runs none itself. It may be nil.
	Own func(netip.AddrPort) bool
	Log zerolog.Logger
}

// Gateways makes contexts into gateways, and knows those that serve.
type Gateways struct {
	config  Config
	running running
}

// New returns Gateways. It starts nothing.
func New(c Config) *Gateways { return &Gateways{config: c} }

// own reports whether one of Fairlead's listeners has an address.
func (g *Gateways) own(address netip.AddrPort) bool {
	if g.config.Own != nil {
		return g.config.Own(address)
	}
	return g.running.listensAt(address)
}

// Start makes a gateway of a context: the plan, the cluster, the rules, the server, the listener. It listens before it
// returns, and sends nothing to the cluster. It is a session.Start.
func (g *Gateways) Start(ctx context.Context, name string, restored bool, health func(error)) (session.Proxy, error) {
	p := &Gateway{
		name: name, gateways: g, check: !restored, health: health, log: g.config.Log.With().Str("context", name).Logger(),
	}
	plan, err := g.plan(name)
	if err != nil {
		return nil, err
	}
	if p.current, err = p.open(plan); err != nil {
		return nil, err
	}
	if !restored {
		g.approve(name, p.current.cluster)
	}
	if s := plan.settings; s.Displaced != 0 {
		p.log.Warn().Str("address", plan.listen).Str("reason", Displaced(s)).Msg("not at its own port")
	}
	if p.listener, err = g.listen(ctx, plan.listen); err != nil {
		return nil, err
	}
	p.server = proxy.New(g.serverConfig(p.current, name, p.log))
	g.running.add(p) // Serve removes it: it is among those that run before anybody is told that it is on
	return p, nil
}

// handoverTimeout bounds how long a context waits for another one's port, and handoverInterval is how often it looks.
const (
	handoverTimeout  = 10 * time.Second
	handoverInterval = 50 * time.Millisecond
)

// listen opens a context's listener. A change of the settings may give one context the port of another, which is about to close it.
func (g *Gateways) listen(ctx context.Context, address string) (net.Listener, error) {
	at, _ := netip.ParseAddrPort(address) // what is none is nobody's
	var config net.ListenConfig
	for end := time.Now().Add(handoverTimeout); ; {
		ours := g.running.listensAt(at)
		listener, err := config.Listen(ctx, network(address), address)
		if err == nil {
			return listener, nil
		}
		if !ours || time.Now().After(end) {
			return nil, portholder.Explain(err)
		}
		select {
		case <-time.After(handoverInterval):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// approve remembers that the user switched a context on or logged in, and so let its credential plugin run.
func (g *Gateways) approve(name string, cluster *kube.Cluster) {
	if err := g.config.Settings.Approve(cluster.Plugin()); err != nil {
		g.config.Log.Warn().Err(err).Str("context", name).Msg("state not written")
	}
}

// A plan is what a context's proxy is made of: its kubeconfig entry and its settings, read at one moment.
type plan struct {
	entry    string // differs when the cluster must be opened anew
	listen   string // host:port
	cluster  kube.Config
	policy   kube.Policy
	settings settings.Context
	tls      *tls.Config
}

// plan collects what there is to know about a context. It asks no server.
func (g *Gateways) plan(name string) (plan, error) {
	k := g.config.Kubeconfig()
	entry, err := kubeContext(k, name)
	if err != nil {
		return plan{}, err
	}
	c, err := g.config.Settings.Prepare(name)
	if err != nil {
		return plan{}, err
	}
	if c.Problem != "" {
		return plan{}, errors.New(c.Problem)
	}
	p := plan{listen: c.Address(), settings: c}
	if c.TLS != nil {
		if p.tls, err = ListenerTLS(*c.TLS); err != nil {
			return plan{}, err
		}
	}
	p.cluster, p.policy = g.Cluster(k, name, c)
	p.entry = fmt.Sprintf("%s %s %d %d %s", entry.Fingerprint(), c.Carrier, c.Limits.SessionsPerPod, c.Limits.SessionsPerContext, c.APIProxy.Fingerprint())
	return p, nil
}

// Cluster returns how a context's cluster is opened, and its policy.
func (g *Gateways) Cluster(k *kubeconfig.Config, name string, c settings.Context) (kube.Config, kube.Policy) {
	config := kube.Config{
		Loaded: k, Context: name, Carrier: c.Carrier, Own: g.own,
		PerPod: c.Limits.SessionsPerPod, PerContext: c.Limits.SessionsPerContext,
		Proxy: c.APIProxy.URL, NoProxy: c.APIProxy.None,
	}
	policy := kube.Policy{Namespace: c.Namespace, HostNetwork: c.HostNetwork, Addresses: c.Addresses, Namespaces: c.Namespaces, Domain: c.ClusterDomain}
	direct := g.direct(c)
	policy.Public = func(ctx context.Context, host string) (bool, error) { return isPublic(ctx, direct, host) }
	if outside := g.outside(c); outside != nil {
		policy.Outside = outside.DialContext
	}
	return config, policy
}

// Displaced says why a context is not at the port that it had.
func Displaced(s settings.Context) string {
	return fmt.Sprintf("Its port %d is the one of context %s in the settings.", s.Displaced, s.Claimant)
}

// kubeContext is the context of that name, if it can be used.
func kubeContext(k *kubeconfig.Config, name string) (kubeconfig.Context, error) {
	for _, c := range k.Contexts {
		if c.Name == name {
			return c, c.Err
		}
	}
	return kubeconfig.Context{}, fmt.Errorf("context %q is no longer in the kubeconfig", name)
}

// network is the one to listen in. For "tcp", package net takes all of IPv4's addresses for those of IPv6, too.
func network(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// serverConfig is how a context's proxy treats its clients.
func (g *Gateways) serverConfig(l *link, name string, log zerolog.Logger) proxy.Config {
	c := l.plan.settings
	config := proxy.Config{
		Rules:       g.rules(l.cluster, c),
		Answer:      func(target string, err error) proxy.Answer { return answer(explain.Error(err).In(name).For(target)) },
		Report:      func(r proxy.Report) { g.report(log, name, r) },
		Log:         log,
		Handshake:   c.Limits.Handshake,
		Idle:        c.Limits.Idle,
		Connections: c.Limits.Connections,
		TLS:         l.plan.tls,
		RequireTLS:  c.RequireTLS,
		Pages:       g.pages(name, l, log),
	}
	if c.Password {
		config.Credentials = &proxy.Credentials{User: c.Credentials.User, Password: c.Credentials.Password}
	}
	if !c.OtherUsers {
		config.Peer, _ = sameUser()
	}
	return config
}

func answer(e explain.Explanation) proxy.Answer {
	return proxy.Answer{
		SOCKS5: e.SOCKS5, SOCKS4: e.SOCKS4, Status: e.Status, ProxyStatus: e.ProxyStatus, Text: e.Text(), Public: e.Public(), Page: e.Page(),
	}
}

// TellsUsersApart reports whether the system says whose a client is.
func TellsUsersApart() bool {
	_, tells := sameUser()
	return tells
}

// sameUser is proxy.SameUser, which on some systems tries itself out first.
var sameUser = sync.OnceValues(proxy.SameUser)
