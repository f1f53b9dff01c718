package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/session"
	"fairlead/kube"
	"fairlead/proxy"
)

// A Gateway is one context switched on: a session.Proxy that applies changes of its settings and of its kubeconfig
// entry without closing open connections.
type Gateway struct {
	name      string
	gateways  *Gateways
	server    *proxy.Server
	listener  net.Listener
	check     bool   // ask the API server once, at the start
	lastTotal uint64 // connections there had been at the last look after a wake; owned by proxies
	health    func(error)
	log       zerolog.Logger

	mutex   sync.Mutex
	current *link // into the cluster, for new connections
	links   sync.WaitGroup
	serving context.Context // of the clusters; nil before Serve
}

// A way is one kube.Cluster, opened from one state of the kubeconfig. When the entry changes, new connections take a new
// way, and the old one ends with its last connection.
type link struct {
	cluster *kube.Cluster
	plan    plan
	retired atomic.Bool
	cancel  context.CancelFunc
	err     error // of the cluster's Run; to be read when ways are done
}

// Name returns the context's name.
func (p *Gateway) Name() string { return p.name }

// Traffic returns what the gateway has carried.
func (p *Gateway) Traffic() proxy.Traffic { return p.server.Traffic() }

// CloseConnections closes all open connections and returns how many there were.
func (p *Gateway) CloseConnections() int { return p.server.CloseConnections() }

// Approve remembers that the user let the context's credential plugin run.
func (p *Gateway) Approve() { p.gateways.approve(p.name, p.Cluster()) }

// Cluster returns the cluster of new connections.
func (p *Gateway) Cluster() *kube.Cluster {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.current.cluster
}

// Address returns the listener's address.
func (p *Gateway) Address() string { return p.listener.Addr().String() }

// Serve runs until ctx ends. It is called once for each Gateway. The clusters outlive the server, whose open connections end first.
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
			// The cluster reports what it finds to health; there is no more to do with it here.
			_ = first.cluster.Check(ctx)
		})
	}
	err := p.server.Serve(ctx, p.listener)
	p.mutex.Lock()
	closeClusters() // from here on there are no new ways to wait for
	p.mutex.Unlock()
	wg.Wait()
	p.links.Wait()
	return errors.Join(err, first.err)
}

// run owns a way's cluster until Serve ends or the way is closed. The mutex is held.
func (p *Gateway) run(l *link) {
	ctx, cancel := context.WithCancel(p.serving)
	l.cancel = cancel
	p.links.Go(func() {
		defer cancel()
		l.err = l.cluster.Run(ctx)
	})
}

// Reconfigure takes up what has changed in the kubeconfig and the settings. It is a session.Reconfigurer's, and may come before Serve
// and at its end.
func (p *Gateway) Reconfigure(context.Context) error {
	next, err := p.gateways.plan(p.name)
	if err != nil {
		return err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	old := p.current
	switch {
	case p.serving != nil && p.serving.Err() != nil:
		return nil // it is over
	case next.listen != old.plan.listen:
		p.log.Info().Str("from", old.plan.listen).Str("to", next.listen).Msg("it is given another address")
		return session.ErrRestart
	case next.entry == old.plan.entry:
		old.plan = next
		old.cluster.SetPolicy(next.policy)
	default:
		next.cluster.TellFirst = true // nobody knows whether the new way leads there
		l, err := p.open(next)
		if err != nil {
			return err
		}
		p.current = l
		p.health(session.ErrUnknownHealth) // what was wrong with the old entry says nothing about the new one
		if p.serving != nil {
			p.retire(old)
			p.run(l)
		}
	}
	p.server.Reconfigure(p.gateways.serverConfig(p.current, p.name, p.log))
	return nil
}

// open prepares the way that a plan describes. What a way that was replaced finds of the API server is of no interest.
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
	l.cluster, err = kube.Open(config)
	return l, err
}

// retireInterval is how often a way that was replaced is asked whether connections still use it. The first time it must be
// longer than a dial, which may be under way.
const retireInterval = 40 * time.Second

// retire closes a way when its last connection has ended.
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
			if l.cluster.Stats().Connections == 0 {
				return
			}
		}
	})
}
