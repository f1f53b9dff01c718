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

// running is the gateways that serve now.
type running struct {
	mutex     sync.Mutex
	addresses map[*Gateway]netip.AddrPort
}

func (r *running) add(p *Gateway) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.addresses == nil {
		r.addresses = map[*Gateway]netip.AddrPort{}
	}
	address, _ := netip.ParseAddrPort(p.Address()) // a listener's own is well-formed
	r.addresses[p] = address
}

func (r *running) remove(p *Gateway) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.addresses, p)
}

// Running returns the gateway of a context, or nil while it does not serve.
func (g *Gateways) Running(name string) *Gateway {
	r := &g.running
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for p := range r.addresses {
		if p.name == name {
			return p
		}
	}
	return nil
}

// All returns the gateways that serve now.
func (g *Gateways) All() []*Gateway {
	r := &g.running
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Collect(maps.Keys(r.addresses))
}

// own reports whether a gateway listens at an address: no route may lead through ourselves.
func (r *running) listensAt(address netip.AddrPort) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, own := range r.addresses {
		same := own.Addr().Unmap() == address.Addr().Unmap() || own.Addr().IsUnspecified() && isHere(address.Addr())
		if own.Port() == address.Port() && same {
			return true
		}
	}
	return false
}

// isHere reports whether an address is this machine's.
func isHere(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(addrs, func(a net.Addr) bool { // where the machine does not tell, it may be
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == ip
	})
}

// lookTimeout bounds a look at an API server after a wake, so that what is shown is true soon.
const lookTimeout = 3 * time.Second

// Look asks, for each gateway that was used since the last Look, whether its API server can be reached. The clusters
// report the result to their Health.
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

// inUse returns the gateways with connections that are open, or that have come since the last call.
func (r *running) inUse() []*Gateway {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var used []*Gateway
	for p := range r.addresses {
		t := p.server.Traffic()
		if t.Open > 0 || t.Total > p.lastTotal {
			used = append(used, p)
		}
		p.lastTotal = t.Total
	}
	return used
}
