package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/notify"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/proxy"
)

// clusterRule is the name, in logs, of the route into the cluster.
const clusterRule = "cluster"

// A wiring makes contexts into running proxies.
type wiring struct {
	kubeconfig string
	listen     string // instead of 127.0.0.1 and the context's port; empty but for serve --listen
	settings   *settings.Store
	notifier   *notify.Notifier // nil: nobody to notify
	log        zerolog.Logger
}

// start is the way from a context to its proxy: the cluster, the rules, the server, the listener. It listens before it
// returns, and sends nothing to the cluster. It is a session.Start.
func (w *wiring) start(ctx context.Context, name string, restored bool, health func(error)) (session.Proxy, error) {
	log := w.log.With().Str("context", name).Logger()
	cluster, err := kube.Open(kube.Config{Kubeconfig: w.kubeconfig, Context: name, Health: health, Log: log})
	if err != nil {
		return nil, err
	}
	listener, err := w.listener(ctx, name)
	if err != nil {
		return nil, err
	}
	server := proxy.New(proxy.Config{
		Rules: []proxy.Rule{
			{Name: clusterRule, Match: claimed(cluster), Dialer: cluster},
			{Name: "direct", Dialer: &proxy.Direct{}},
		},
		Answer: answer,
		Report: func(r proxy.Report) { w.report(log, name, r) },
		Log:    log,
	})
	return &contextProxy{cluster: cluster, server: server, listener: listener, check: !restored, health: health}, nil
}

func (w *wiring) listener(ctx context.Context, name string) (net.Listener, error) {
	address := w.listen
	if address == "" {
		port, err := w.settings.Port(name)
		if err != nil {
			return nil, err
		}
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", address)
}

func claimed(cluster *kube.Cluster) func(context.Context, proxy.Target) (bool, error) {
	return func(ctx context.Context, t proxy.Target) (bool, error) { return cluster.Claims(ctx, t.Host) }
}

func answer(err error) proxy.Answer {
	e := explain.Error(err)
	return proxy.Answer{
		SOCKS5: e.SOCKS5, SOCKS4: e.SOCKS4, Status: e.Status, ProxyStatus: e.ProxyStatus, Text: e.Text(), Page: e.Page(),
	}
}

// report is where a connection's end becomes a log line and, when the cluster could not be reached for it, a
// notification. What fails on the way to other hosts is for the client to tell: a browser asks for many.
func (w *wiring) report(log zerolog.Logger, name string, r proxy.Report) {
	failed := r.Err != nil && !errors.Is(r.Err, proxy.ErrClientLeft) && !errors.Is(r.Err, proxy.ErrStopped)
	event := log.Debug()
	if failed {
		event = log.Warn().Err(r.Err).Str("said", explain.Error(r.Err).Sentence)
	}
	event.Uint64("conn", r.ID).Str("protocol", string(r.Protocol)).Str("client", r.Client).Str("target", r.Target).
		Str("route", r.Rule).Str("stage", string(r.Stage)).Int64("sent", r.Sent).Int64("received", r.Received).
		Dur("lasted", r.Lasted).Msg("connection")
	if failed && r.Stage != proxy.StageRelay && r.Rule == clusterRule && w.notifier != nil {
		w.notifier.Failure(name, r.Target, explain.Error(r.Err))
	}
}

// contextProxy is one context switched on: a session.Proxy.
type contextProxy struct {
	cluster  *kube.Cluster
	server   *proxy.Server
	listener net.Listener
	check    bool // ask the API server once, at the start
	health   func(error)
}

func (p *contextProxy) Address() string { return p.listener.Addr().String() }

// Serve runs until ctx ends. The cluster outlives the server, whose open connections end first.
func (p *contextProxy) Serve(ctx context.Context) error {
	clusterCtx, closeCluster := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	var clusterErr error
	wg.Go(func() { clusterErr = p.cluster.Run(clusterCtx) })
	if p.check {
		wg.Go(func() {
			// The cluster reports what it finds to health; there is no more to do with it here.
			_ = p.cluster.Check(ctx)
		})
	}
	err := p.server.Serve(ctx, p.listener)
	closeCluster()
	wg.Wait()
	return errors.Join(err, clusterErr)
}
