package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/kube/konnectivity"
	"fairlead/proxy"
)

// A Gateway is one context switched on. It is a session.Proxy that applies changes of its settings and of its
// kubeconfig entry without closing open connections.
type Gateway struct {
	name      string
	gateways  *Gateways
	server    *proxy.Server
	listeners []net.Listener // of the proxies in the plan, in their order
	forwards  *forwards
	check     bool   // query the API server once, at the start, and report the result
	lastTotal uint64 // total of connections at the last Look; guarded by running.mutex
	health    func(error)
	log       zerolog.Logger

	mutex   sync.Mutex
	current *link // for new connections
	links   sync.WaitGroup
	serving context.Context // the clusters run until it ends; nil before Serve
}

// A link is one kube.Cluster, opened from one state of the kubeconfig. When the entry changes, new connections use a
// new link, and the old one ends with its last connection.
type link struct {
	cluster *kube.Cluster
	carrier *konnectivity.Carrier // carries the cluster's connections; nil if port-forwards do
	plan    plan
	retired atomic.Bool
	cancel  context.CancelFunc
	err     error // of the cluster's Run; valid once links.Wait has returned
}

// Name returns the context's name.
func (p *Gateway) Name() string { return p.name }

// Traffic returns what the gateway has carried.
func (p *Gateway) Traffic() proxy.Traffic { return p.server.Traffic() }

// Connections returns the open connections, the oldest first.
func (p *Gateway) Connections() []proxy.Connection { return p.server.Connections() }

// CloseConnections closes all open connections and returns how many there were.
func (p *Gateway) CloseConnections() int { return p.server.CloseConnections() }

// Approve records that the user let the context's credential plugin run.
func (p *Gateway) Approve() { p.gateways.approve(p.name, p.Cluster()) }

// Cluster returns the cluster that new connections use.
func (p *Gateway) Cluster() *kube.Cluster {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.current.cluster
}

// Endpoints returns where the gateway listens.
func (p *Gateway) Endpoints() session.Endpoints {
	var endpoints session.Endpoints
	p.mutex.Lock()
	proxies := p.current.plan.settings.Proxies()
	p.mutex.Unlock()
	for i, l := range p.listeners {
		endpoints = append(endpoints, endpointOf(proxies[i], l.Addr().String()))
	}
	return append(endpoints, p.forwards.endpoints()...)
}

// Changed returns a channel that has a token when what Endpoints returns may have changed. It implements session.Changer.
func (p *Gateway) Changed() <-chan struct{} { return p.forwards.changed }

// addresses returns where the gateway listens.
func (p *Gateway) addresses() []netip.AddrPort {
	addresses := p.forwards.addresses()
	for _, l := range p.listeners {
		address, _ := netip.ParseAddrPort(l.Addr().String()) // a listener's address always parses
		addresses = append(addresses, address)
	}
	return addresses
}

// Serve runs until ctx ends. It must be called exactly once. The clusters run longer than the server, so that its open
// connections can end first.
func (p *Gateway) Serve(ctx context.Context) error {
	defer p.gateways.running.remove(p)
	clusters, closeClusters := context.WithCancel(context.WithoutCancel(ctx))
	defer closeClusters()
	p.mutex.Lock()
	p.serving = clusters
	first := p.current
	p.run(first)
	p.mutex.Unlock()
	var wg sync.WaitGroup
	if p.check {
		wg.Go(func() {
			// The cluster reports the result to health; there is nothing more to do with it here.
			_ = first.cluster.Check(ctx)
		})
	}
	err := p.serveListeners(ctx)
	p.mutex.Lock()
	closeClusters() // from here on no new links are opened
	p.mutex.Unlock()
	wg.Wait()
	p.links.Wait()
	return errors.Join(err, first.err)
}

// serveListeners serves all listeners until ctx ends. If one fails, it stops the others.
func (p *Gateway) serveListeners(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	p.mutex.Lock()
	proxies := p.current.plan.settings.Proxies()
	p.mutex.Unlock()
	for i, listener := range p.listeners {
		group.Go(func() error { return p.server.ServeOnly(ctx, listener, languages[proxies[i].Protocol]) })
	}
	group.Go(func() error { p.forwards.serve(ctx); return nil })
	return group.Wait()
}

// languages are those of a proxy's ports.
var languages = map[settings.Protocol]proxy.Language{
	settings.AnyProtocol: proxy.AnyLanguage, settings.HTTP: proxy.HTTP1, settings.SOCKS: proxy.SOCKS,
}

// run runs a link's cluster until Serve ends or the link is closed. The caller holds the mutex.
func (p *Gateway) run(l *link) {
	ctx, cancel := context.WithCancel(p.serving)
	l.cancel = cancel
	p.links.Go(func() {
		defer cancel()
		l.err = l.cluster.Run(ctx)
	})
}

// Reconfigure applies changes of the kubeconfig and the settings. It implements session.Reconfigurer, and may be called
// before Serve and while Serve returns.
func (p *Gateway) Reconfigure(ctx context.Context) error {
	next, err := p.gateways.plan(p.name)
	if err != nil {
		return err
	}
	if err := p.reconfigure(next); err != nil {
		return err
	}
	p.forwards.set(ctx, localPorts(next.settings))
	return nil
}

// reconfigure applies a plan, except for its forwards.
func (p *Gateway) reconfigure(next plan) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	old := p.current
	switch {
	case p.serving != nil && p.serving.Err() != nil:
		return nil // Serve is returning
	case !slices.Equal(next.settings.Proxies(), old.plan.settings.Proxies()):
		p.log.Info().Any("from", old.plan.settings.Endpoints).Any("to", next.settings.Endpoints).Msg("listen addresses changed")
		return session.ErrRestart
	case next.entry == old.plan.entry:
		next.outside.Use(old.cluster)
		next.outside.useKonnectivity(old.plan.outside.beyond.Load())
		old.plan = next
		old.cluster.SetPolicy(next.policy)
	default:
		next.cluster.ReportFirst = true // it is unknown yet whether the new link reaches the cluster
		l, err := p.open(next)
		if err != nil {
			return err
		}
		p.current = l
		p.health(session.ErrUnknownHealth) // a fault of the old entry says nothing about the new one
		if p.serving != nil {
			p.retire(old)
			p.run(l)
		}
	}
	p.server.Reconfigure(p.gateways.serverConfig(p.current, p.name, p.log))
	return nil
}

// open returns a new link made from a plan. What a retired link learns about its API server is not reported.
func (p *Gateway) open(next plan) (*link, error) {
	l := &link{plan: next}
	config := next.cluster
	config.Policy = next.policy
	config.Log = p.log
	config.Approved = p.gateways.config.Settings.Approved
	config.Health = func(err error) {
		if !l.retired.Load() {
			p.health(err)
		}
	}
	var err error
	if l.carrier, err = Carrier(next.settings, p.log); err != nil {
		return nil, err
	}
	if l.cluster, err = OpenCluster(config, l.carrier, next.settings, next.outside); err != nil {
		return nil, err
	}
	return l, nil
}

// retireInterval is the interval at which a retired link is checked for connections. It must be longer than a dial,
// because one may be under way when the link is retired.
const retireInterval = 40 * time.Second

// retire closes a link when its last connection has ended.
func (p *Gateway) retire(l *link) {
	l.retired.Store(true)
	p.links.Go(func() {
		ticker := time.NewTicker(retireInterval)
		defer ticker.Stop()
		defer l.cancel()
		for {
			select {
			case <-ticker.C:
			case <-p.serving.Done():
				return
			}
			if l.cluster.Connections() == 0 {
				return
			}
		}
	})
}
