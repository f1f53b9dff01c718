package main

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// proxies are those that serve now.
type proxies struct {
	mutex     sync.Mutex
	addresses map[*contextProxy]netip.AddrPort
}

func (r *proxies) add(p *contextProxy) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.addresses == nil {
		r.addresses = map[*contextProxy]netip.AddrPort{}
	}
	address, _ := netip.ParseAddrPort(p.Address()) // a listener's own is well-formed
	r.addresses[p] = address
}

func (r *proxies) remove(p *contextProxy) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.addresses, p)
}

// of is the proxy of a context, nil while it does not serve.
func (r *proxies) of(name string) *contextProxy {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for p := range r.addresses {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (r *proxies) all() []*contextProxy {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Collect(maps.Keys(r.addresses))
}

// own tells whether one of our proxies listens at an address: no way may lead through ourselves.
func (r *proxies) own(address netip.AddrPort) bool {
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

// isHere tells whether an address is this machine's.
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
