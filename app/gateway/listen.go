package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"fairlead/app/portholder"
	"fairlead/app/session"
	"fairlead/app/settings"
)

// listen opens the listeners of a context's endpoints, in their order. If one cannot be opened, none is left open.
func (g *Gateways) listen(ctx context.Context, endpoints []settings.Endpoint) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, e := range endpoints {
		listener, err := g.listenAt(ctx, e.Address)
		if err != nil {
			for _, open := range listeners {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

// Endpoints returns where a context will listen, as far as its settings say.
func Endpoints(c settings.Context) session.Endpoints {
	var endpoints session.Endpoints
	for _, e := range slices.Concat(c.Proxies(), localPorts(c)) {
		if e.Address.Port() != 0 {
			endpoints = append(endpoints, endpointOf(e, e.Address.String()))
		}
	}
	return endpoints
}

// handoverTimeout bounds how long a context waits until another one has released its port, and handoverInterval is the
// interval between attempts.
const (
	handoverTimeout  = 10 * time.Second
	handoverInterval = 50 * time.Millisecond
)

// listenAt opens one listener. After a change of the settings, a context may be given the port of another one that is
// about to close it.
func (g *Gateways) listenAt(ctx context.Context, address netip.AddrPort) (net.Listener, error) {
	var config net.ListenConfig
	for end := time.Now().Add(handoverTimeout); ; {
		ours := g.running.listensAt(address)
		listener, err := config.Listen(ctx, network(address), address.String())
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

// network returns the network to listen in. For "tcp", package net treats all IPv4 addresses as IPv6 addresses, too.
func network(address netip.AddrPort) string {
	if address.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}
