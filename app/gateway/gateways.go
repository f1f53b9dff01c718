// Package gateway makes contexts into proxies: for each context that is switched on, its listeners, a proxy server, the
// routes of its clients, and the cluster that they lead to. It applies changes of the kubeconfig and the settings to
// contexts that are on. Package session decides which contexts are on, packages proxy and kube carry the connections,
// and other packages of app show all of it.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/kube/kubeconfig"
	"fairlead/proxy"
	"fairlead/proxy/peer"
)

// Config configures Gateways.
type Config struct {
	// Kubeconfig returns the current kubeconfig.
	Kubeconfig func() *kubeconfig.Config
	Settings   *settings.Settings
	// Failed is called when a connection into a context's cluster, or any of a captured program, failed before a byte was
	// relayed, with the explanation for the user. whole is set if the cause is the context's, so that its health is
	// reported, too. It must not block. It may be nil.
	Failed func(context, target string, said explain.Explanation, whole bool)
	// Own reports whether one of Fairlead's listeners has an address. A program that runs no gateways itself sets it;
	// otherwise it is nil, and the running gateways are searched.
	Own func(netip.AddrPort) bool
	// Captured is set if the clients are captured programs: they are the user's own, and reach this machine's loopback as
	// HostName.
	Captured bool
	// Drain is what open connections get at the end to end by themselves; 0 is the engine's default.
	Drain time.Duration
	Log   zerolog.Logger
}

// Gateways makes gateways from contexts, and keeps those that are serving.
type Gateways struct {
	config       Config
	running      running
	certificates clientCertificates
}

// New returns Gateways. It starts nothing.
func New(c Config) *Gateways { return &Gateways{config: c} }

// isOwn reports whether one of Fairlead's listeners has an address.
func (g *Gateways) isOwn(address netip.AddrPort) bool {
	if g.config.Own != nil {
		return g.config.Own(address)
	}
	return g.running.listensAt(address)
}

// Start makes a gateway from a context: plan, cluster, rules, server and listeners. When it returns, the gateway is
// listening, and nothing has been sent to the cluster. It implements session.Start.
func (g *Gateways) Start(ctx context.Context, name string, restored bool, health func(error)) (session.Proxy, error) {
	p := &Gateway{
		name: name, gateways: g, check: !restored, health: health, log: g.config.Log.With().Str("context", name).Logger(),
	}
	plan, err := g.plan(name)
	if err != nil {
		return nil, err
	}
	plan.cluster.ReportFirst = p.check // that it was reached is news to the user who switched it on
	if p.current, err = p.open(plan); err != nil {
		return nil, err
	}
	if !restored {
		g.approve(name, p.current.cluster)
	}
	if s := plan.settings; s.Displaced != 0 {
		p.log.Warn().Stringer("address", s.Proxy().Address).Str("reason", Displaced(s)).Msg("listening at another port")
	}
	if p.listeners, err = g.listen(ctx, plan.settings.Proxies()); err != nil {
		return nil, err
	}
	p.server = proxy.New(g.serverConfig(p.current, name, p.log))
	p.forwards = newForwards(p, plan.settings.NoProxy)
	p.forwards.set(ctx, localPorts(plan.settings))
	if err := p.forwards.problem(); err != nil && p.forwards.alone {
		p.forwards.set(ctx, nil)
		return nil, err // there is nothing else to serve
	}
	g.running.add(p) // before the context is shown as on; Serve removes it
	return p, nil
}

// approve records that the user switched a context on or logged in, and so let its credential plugin run.
func (g *Gateways) approve(name string, cluster *kube.Cluster) {
	if err := g.config.Settings.Approve(cluster.Plugin()); err != nil {
		g.config.Log.Warn().Err(err).Str("context", name).Msg("state not written")
	}
}

// A plan is what a context's proxy is made from: its kubeconfig entry and its settings, read at one moment.
type plan struct {
	entry    string // changes when the cluster must be opened again
	cluster  kube.Config
	policy   kube.Policy
	settings settings.Context
	tls      *tls.Config
	outside  *Outside
}

// plan returns the plan of a context. It sends nothing to a server.
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
	p := plan{settings: c}
	if c.TLS != nil {
		if p.tls, err = ListenerTLS(*c.TLS); err != nil {
			return plan{}, err
		}
	}
	p.outside = g.Outside(c)
	p.cluster, p.policy = g.Cluster(k, name, c, p.outside)
	p.entry = fmt.Sprintf("%s %s %q %d %d %s", entry.Fingerprint(), c.Carrier, c.Konnectivity, c.Limits.SessionsPerPod, c.Limits.SessionsPerContext, c.APIProxy.Fingerprint())
	return p, nil
}

// Cluster returns the configuration that a context's cluster is opened with, and its policy. What leads out of the cluster
// goes by the routes of outside.
func (g *Gateways) Cluster(k *kubeconfig.Config, name string, c settings.Context, outside *Outside) (kube.Config, kube.Policy) {
	config := kube.Config{
		Loaded: k, Context: name, Protocol: c.Carrier, Own: g.isOwn,
		PerPod: c.Limits.SessionsPerPod, PerContext: c.Limits.SessionsPerContext,
		Proxy: c.APIProxy.URL, NoProxy: c.APIProxy.None,
	}
	if c.Carrier == settings.KonnectivityCarrier {
		config.Protocol = "" // no connection is a port-forward
	}
	policy := kube.Policy{Namespace: c.Namespace, HostNetwork: c.HostNetwork, Addresses: c.Addresses, Namespaces: c.Namespaces, Domain: c.ClusterDomain}
	policy.Public = outside.isPublic
	if !outside.refusesAll() {
		policy.Outside = outside.DialContext
	}
	return config, policy
}

// Displaced returns why a context is not at the port it had before.
func Displaced(s settings.Context) string {
	return fmt.Sprintf("Its port %d is the one of context %s in the settings.", s.Displaced, s.Claimant)
}

// kubeContext returns the context with that name, or why it cannot be used.
func kubeContext(k *kubeconfig.Config, name string) (kubeconfig.Context, error) {
	for _, c := range k.Contexts {
		if c.Name == name {
			return c, c.Err
		}
	}
	return kubeconfig.Context{}, fmt.Errorf("context %q is no longer in the kubeconfig", name)
}

// serverConfig returns the configuration of a context's proxy server.
func (g *Gateways) serverConfig(l *link, name string, log zerolog.Logger) proxy.Config {
	c := l.plan.settings
	config := proxy.Config{
		Rules:          rules(l.cluster, l.plan.outside, c),
		Answer:         func(target string, err error) proxy.Answer { return answer(explain.Error(err).In(name).For(target)) },
		Events:         g.events(log, name),
		Log:            log,
		Drain:          g.config.Drain,
		Handshake:      c.Limits.Handshake,
		Idle:           c.Limits.Idle,
		MaxConnections: c.Limits.Connections,
		TLS:            l.plan.tls,
		RequireTLS:     c.RequireTLS,
		Pages:          g.pages(name, l, log),
	}
	if c.Password {
		config.Credentials = &proxy.Credentials{User: c.Credentials.User, Password: c.Credentials.Password}
	}
	config.Peer = peerOf(c)
	if g.config.Captured {
		config.Peer, config.Rules = nil, append([]proxy.Rule{hostRule}, config.Rules...)
	}
	return config
}

func answer(e explain.Explanation) proxy.Answer {
	return proxy.Answer{
		SOCKS5: e.SOCKS5, SOCKS4: e.SOCKS4, Status: e.Status, ProxyStatus: e.ProxyStatus, Text: e.Text(), Public: e.Public(), Page: e.Page(),
	}
}

// TellsUsersApart reports whether this system can tell which user a client belongs to.
func TellsUsersApart() bool {
	_, tells := sameUser()
	return tells
}

// sameUser calls peer.SameUser once, because on some systems it first tests whether it works.
var sameUser = sync.OnceValues(peer.SameUser)
