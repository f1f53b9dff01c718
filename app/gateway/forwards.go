package gateway

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/app/explain"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/proxy"
	"fairlead/proxy/hostport"
)

// forwards are the fixed local ports of a gateway: each leads to one target, or is that of its nameserver. One whose port
// is taken is tried again until it can be opened, and keeps neither the proxy nor the others from being served.
type forwards struct {
	gateway *Gateway
	alone   bool          // there is no proxy to serve, so what keeps a port from being opened is the context's own failure
	changed chan struct{} // has a token when what Endpoints returns may have changed
	opening sync.Mutex    // held while listeners are opened
	running sync.WaitGroup

	mutex   sync.Mutex
	all     []*forward      // in the order of the settings
	serving context.Context // nil before serve
	ended   bool            // serve has closed them all
}

// A forward is one fixed local port. Its fields are guarded by forwards.mutex, except for target.
type forward struct {
	endpoint settings.Endpoint
	target   atomic.Pointer[proxy.Target] // nil for a nameserver
	sockets  sockets
	problem  error // why they are not open
	stop     context.CancelFunc
}

// retryInterval is the interval at which a port that is taken is tried again.
const retryInterval = 2 * time.Second

func newForwards(p *Gateway, alone bool) *forwards {
	return &forwards{gateway: p, alone: alone, changed: make(chan struct{}, 1)}
}

// set makes the forwards those of the settings. One that stays keeps its listener and its connections, also if it leads
// to another target from now on.
func (f *forwards) set(ctx context.Context, endpoints []settings.Endpoint) {
	f.mutex.Lock()
	if f.ended {
		f.mutex.Unlock()
		return
	}
	before := f.all
	f.all = nil
	for _, e := range endpoints {
		same := func(one *forward) bool {
			return one.endpoint.Address == e.Address && one.endpoint.Protocol == e.Protocol
		}
		var one *forward
		if at := slices.IndexFunc(before, same); at >= 0 {
			one, before = before[at], slices.Delete(slices.Clone(before), at, at+1)
		} else {
			one = &forward{}
		}
		one.endpoint = e
		if e.IsForward() {
			to, err := hostport.ParseNamed(e.To)
			one.target.Store(&to)
			if err != nil {
				one.problem = err
			}
		}
		f.all = append(f.all, one)
	}
	for _, gone := range before {
		gone.close()
	}
	f.mutex.Unlock()
	f.open(ctx)
}

// close closes the listener. Its connections end as when the context is switched off.
func (one *forward) close() {
	if one.stop != nil {
		one.stop()
	}
	one.sockets.close()
}

// open opens the listeners that are not open.
func (f *forwards) open(ctx context.Context) {
	f.opening.Lock()
	defer f.opening.Unlock()
	f.mutex.Lock()
	all := slices.Clone(f.all)
	f.mutex.Unlock()
	for _, one := range all {
		f.mutex.Lock()
		open, e, problem := one.sockets.open(), one.endpoint, one.problem
		f.mutex.Unlock()
		if open || e.IsForward() && one.target.Load().Host == "" {
			continue
		}
		opened, err := listenLocally(ctx, e)
		if err != nil && problem == nil {
			err = NewLocalPortError(err)
		}
		if err != nil && problem == nil && !f.alone {
			f.gateway.log.Warn().Err(err).Str("said", explain.Error(err).Sentence).Stringer("address", e.Address).
				Str("target", e.To).Msg("local port not opened")
		}
		f.opened(one, opened, err)
	}
}

// opened records the result of opening a listener.
func (f *forwards) opened(one *forward, opened sockets, err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	switch {
	case !slices.Contains(f.all, one): // removed meanwhile
		opened.close()
		return
	case err != nil && one.problem != nil:
		return // said already
	case one.problem != nil:
		f.gateway.log.Info().Stringer("address", one.endpoint.Address).Str("target", one.endpoint.To).Msg("local port opened")
	}
	one.sockets, one.problem = opened, err
	if opened.open() && f.serving != nil {
		f.run(one)
	}
	f.tell()
}

// tell says that what Endpoints returns may have changed.
func (f *forwards) tell() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// run serves a forward in a goroutine. The caller holds the mutex.
func (f *forwards) run(one *forward) {
	ctx, stop := context.WithCancel(f.serving)
	one.stop = stop
	opened, protocol := one.sockets, one.endpoint.Protocol // neither changes while it is served
	f.running.Go(func() {
		defer stop()
		err := one.serve(ctx, f.gateway, opened, protocol)
		if err == nil || ctx.Err() != nil {
			return
		}
		f.gateway.log.Warn().Err(err).Msg("local port closed")
		f.mutex.Lock()
		defer f.mutex.Unlock()
		one.sockets, one.problem = sockets{}, err
		f.tell()
	})
}

// serve serves what a forward has opened by its protocol.
func (one *forward) serve(ctx context.Context, p *Gateway, opened sockets, protocol settings.Protocol) error {
	switch protocol {
	case settings.DNS:
		return p.nameserver().Serve(ctx, opened.packets, opened.listener)
	case settings.HTTP:
		return p.server.ServeSite(ctx, opened.listener, func() proxy.Site {
			to := *one.target.Load()
			return proxy.Site{Target: to, TLS: to.Port == 443 || strings.EqualFold(to.PortName, "https")}
		})
	}
	return p.server.ServeTarget(ctx, opened.listener, func(net.Conn) (proxy.Target, error) { return *one.target.Load(), nil })
}

// serve serves the forwards until ctx ends, and tries again to open those that are not open.
func (f *forwards) serve(ctx context.Context) {
	f.mutex.Lock()
	f.serving = ctx
	for _, one := range f.all {
		if one.sockets.open() {
			f.run(one)
		}
	}
	f.mutex.Unlock()
	ticker := time.NewTicker(retryInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			f.open(ctx)
		}
	}
	f.mutex.Lock()
	for _, one := range f.all {
		one.close()
	}
	f.all, f.ended = nil, true
	f.mutex.Unlock()
	f.running.Wait()
}

// problem returns why the first forward that is not open is not, or nil.
func (f *forwards) problem() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, one := range f.all {
		if one.problem != nil {
			return one.problem
		}
	}
	return nil
}

// addresses returns where the forwards listen.
func (f *forwards) addresses() []netip.AddrPort {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var addresses []netip.AddrPort
	for _, one := range f.all {
		if one.sockets.open() {
			addresses = append(addresses, one.endpoint.Address)
		}
	}
	return addresses
}

// endpoints returns the forwards as the model has them.
func (f *forwards) endpoints() session.Endpoints {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var endpoints session.Endpoints
	for _, one := range f.all {
		e := endpointOf(one.endpoint, one.endpoint.Address.String())
		if one.problem != nil {
			e.Problem = explain.Error(one.problem).Sentence
		}
		endpoints = append(endpoints, e)
	}
	return endpoints
}

// endpointOf returns an endpoint of the settings at an address, as the model has it.
func endpointOf(e settings.Endpoint, address string) session.Endpoint {
	kind := session.ProxyEndpoint
	switch {
	case e.IsForward():
		kind = session.ForwardEndpoint
	case e.IsNameserver():
		kind = session.DNSEndpoint
	}
	return session.Endpoint{Address: address, Kind: kind, Target: e.To, Protocol: string(e.Protocol), Chosen: e.Chosen}
}

// peerOf returns the check of who connects, or nil for none. A fixed local port cannot ask for a password, so where the
// proxy wants one of other users, they are not let in there.
func peerOf(c settings.Context) func(client, local netip.AddrPort) error {
	same, _ := sameUser()
	forwards := c.Forwards()
	switch {
	case !c.OtherUsers || same == nil:
		return same
	case !c.Password && c.TLS == nil || len(forwards) == 0:
		return nil
	}
	return func(client, local netip.AddrPort) error {
		at := netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
		if slices.ContainsFunc(forwards, func(e settings.Endpoint) bool { return e.Address == at }) {
			return same(client, local)
		}
		return nil
	}
}
