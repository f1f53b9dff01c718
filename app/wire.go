package main

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
	"fairlead/app/notify"
	"fairlead/app/portholder"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/proxy"
)

// A wiring makes contexts into running proxies.
type wiring struct {
	kubeconfig func() *kube.Kubeconfig // as it counts now
	settings   *settings.Settings
	notifier   *notify.Notifier // nil: nobody to notify
	log        zerolog.Logger
	running    proxies
	isOwn      func(netip.AddrPort) bool // in place of running's, in a program that runs no proxy itself

	adoptOnce sync.Once
	adopting  sync.Mutex
	adopted   map[string]bool // the contexts whose plugins an earlier version let run
}

// own reports whether one of Fairlead's proxies listens at an address.
func (w *wiring) own(address netip.AddrPort) bool {
	if w.isOwn != nil {
		return w.isOwn(address)
	}
	return w.running.own(address)
}

// start is the way from a context to its proxy: the plan, the cluster, the rules, the server, the listener. It listens
// before it returns, and sends nothing to the cluster. It is a session.Start.
func (w *wiring) start(ctx context.Context, name string, restored bool, health func(error)) (session.Proxy, error) {
	p := &contextProxy{
		name: name, wiring: w, check: !restored, health: health, log: w.log.With().Str("context", name).Logger(),
	}
	plan, err := w.plan(name)
	if err != nil {
		return nil, err
	}
	if p.current, err = p.open(plan); err != nil {
		return nil, err
	}
	if !restored || w.adopts(name) {
		w.approve(name, p.current.cluster)
	}
	if s := plan.settings; s.Displaced != 0 {
		p.log.Warn().Str("address", plan.listen).Str("reason", displaced(s)).Msg("not at its own port")
	}
	if p.listener, err = w.listen(ctx, plan.listen); err != nil {
		return nil, err
	}
	p.server = proxy.New(w.serverConfig(p.current, name, p.log))
	w.running.add(p) // Serve removes it: it is among those that run before anybody is told that it is on
	return p, nil
}

// handoverWithin bounds how long a context waits for another one's port, and handoverLook is how often it looks.
const (
	handoverWithin = 10 * time.Second
	handoverLook   = 50 * time.Millisecond
)

// listen opens a context's listener. A change of the settings may give one context the port of another, which is about to close it.
func (w *wiring) listen(ctx context.Context, address string) (net.Listener, error) {
	at, _ := netip.ParseAddrPort(address) // what is none is nobody's
	var config net.ListenConfig
	for end := time.Now().Add(handoverWithin); ; {
		ours := w.running.own(at)
		listener, err := config.Listen(ctx, network(address), address)
		if err == nil {
			return listener, nil
		}
		if !ours || time.Now().After(end) {
			return nil, portholder.Explain(err)
		}
		select {
		case <-time.After(handoverLook):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// approve remembers that the user clicked, and so let the credential plugin run that the kubeconfig has for a context now.
func (w *wiring) approve(name string, cluster *kube.Cluster) {
	if err := w.settings.Approve(cluster.Plugin()); err != nil {
		w.log.Warn().Err(err).Str("context", name).Msg("state not written")
	}
}

// adopts reports whether a context was on before approvals were remembered, once for each.
func (w *wiring) adopts(name string) bool {
	w.adoptOnce.Do(func() {
		w.adopted = map[string]bool{}
		for _, name := range w.settings.Unapproved() {
			w.adopted[name] = true
		}
	})
	w.adopting.Lock()
	defer w.adopting.Unlock()
	was := w.adopted[name]
	delete(w.adopted, name)
	return was
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
func (w *wiring) plan(name string) (plan, error) {
	k := w.kubeconfig()
	entry, err := kubeContext(k, name)
	if err != nil {
		return plan{}, err
	}
	c, err := w.settings.Prepare(name)
	if err != nil {
		return plan{}, err
	}
	if c.Problem != "" {
		return plan{}, errors.New(c.Problem)
	}
	p := plan{listen: c.Address(), settings: c}
	if c.TLS != nil {
		if p.tls, err = listenerTLS(*c.TLS); err != nil {
			return plan{}, err
		}
	}
	p.cluster, p.policy = w.into(k, name, c)
	p.entry = fmt.Sprintf("%s %s %d %d", entry.Fingerprint(), c.Carrier, c.Limits.SessionsPerPod, c.Limits.SessionsPerContext)
	return p, nil
}

// into is how a context's cluster is opened, and what its policy is.
func (w *wiring) into(k *kube.Kubeconfig, name string, c settings.Context) (kube.Config, kube.Policy) {
	config := kube.Config{
		Loaded: k, Context: name, Carrier: c.Carrier, Own: w.own,
		PerPod: c.Limits.SessionsPerPod, PerContext: c.Limits.SessionsPerContext,
	}
	policy := kube.Policy{Namespace: c.Namespace, HostNetwork: c.HostNetwork, Addresses: c.Addresses, Namespaces: c.Namespaces}
	direct := w.direct(c)
	policy.Public = func(ctx context.Context, host string) (bool, error) { return isPublic(ctx, direct, host) }
	if outside := w.outside(c); outside != nil {
		policy.Outside = outside.DialContext
	}
	return config, policy
}

// kubeContext is the context of that name, if it can be used.
func kubeContext(k *kube.Kubeconfig, name string) (kube.Context, error) {
	for _, c := range k.Contexts {
		if c.Name == name {
			return c, c.Err
		}
	}
	return kube.Context{}, fmt.Errorf("context %q is no longer in the kubeconfig", name)
}

// network is the one to listen in. For "tcp", package net takes all of IPv4's addresses for those of IPv6, too.
func network(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// serverConfig is how a context's proxy treats its clients.
func (w *wiring) serverConfig(way *way, name string, log zerolog.Logger) proxy.Config {
	c := way.plan.settings
	config := proxy.Config{
		Rules:       w.rules(way.cluster, c),
		Answer:      func(target string, err error) proxy.Answer { return answer(explain.Error(err).In(name).For(target)) },
		Report:      func(r proxy.Report) { w.report(log, name, r) },
		Log:         log,
		Handshake:   c.Limits.Handshake,
		Idle:        c.Limits.Idle,
		Connections: c.Limits.Connections,
		TLS:         way.plan.tls,
		RequireTLS:  c.RequireTLS,
		Pages:       w.pages(name, way, log),
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
		SOCKS5: e.SOCKS5, SOCKS4: e.SOCKS4, Status: e.Status, ProxyStatus: e.ProxyStatus, Text: e.Text(), Page: e.Page(),
	}
}

// sameUser is proxy.SameUser, which on some systems tries itself out first.
var sameUser = sync.OnceValues(proxy.SameUser)
