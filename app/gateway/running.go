package gateway

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// running is the set of gateways that are serving.
type running struct {
	mutex    sync.Mutex
	gateways map[*Gateway]bool
}

func (r *running) add(p *Gateway) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.gateways == nil {
		r.gateways = map[*Gateway]bool{}
	}
	r.gateways[p] = true
}

func (r *running) remove(p *Gateway) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.gateways, p)
}

// Running returns the gateway of a context, or nil if it is not serving.
func (g *Gateways) Running(name string) *Gateway {
	r := &g.running
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for p := range r.gateways {
		if p.name == name {
			return p
		}
	}
	return nil
}

// All returns the gateways that are serving.
func (g *Gateways) All() []*Gateway {
	r := &g.running
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Collect(maps.Keys(r.gateways))
}

// listensAt reports whether a gateway listens at an address. Routes must not lead back to Fairlead itself.
func (r *running) listensAt(address netip.AddrPort) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for own := range r.gateways {
		if slices.ContainsFunc(own.addresses(), func(own netip.AddrPort) bool { return covers(own, address) }) {
			return true
		}
	}
	return false
}

// covers reports whether a listener at own accepts connections to an address.
func covers(own, address netip.AddrPort) bool {
	same := own.Addr().Unmap() == address.Addr().Unmap() || own.Addr().IsUnspecified() && isHere(address.Addr())
	return own.Port() == address.Port() && same
}

// isHere reports whether an address belongs to this machine.
func isHere(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(addrs, func(a net.Addr) bool { // if the addresses are unknown, it may
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == ip
	})
}

// lookTimeout bounds a check of the API servers after a wake, so that what is shown is soon true.
const lookTimeout = 3 * time.Second

// Look checks the API server of each gateway that was used since the last Look. The clusters report the results to
// their Health.
func (g *Gateways) Look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var looking sync.WaitGroup
	for _, p := range g.running.inUse() {
		looking.Go(func() {
			if err := p.Cluster().Look(ctx); err != nil {
				p.log.Debug().Err(err).Msg("API server not reached")
			}
		})
	}
	looking.Wait()
}

// inUse returns the gateways that have open connections, or had new ones since the last call.
func (r *running) inUse() []*Gateway {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var used []*Gateway
	for p := range r.gateways {
		t := p.server.Traffic()
		if t.Open > 0 || t.Total > p.lastTotal {
			used = append(used, p)
		}
		p.lastTotal = t.Total
	}
	return used
}
