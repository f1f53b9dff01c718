package proxy

import (
	"net"
	"net/netip"
)

// IsOwnAddress reports whether an address is one of this machine's interfaces: what listens there listens here.
func IsOwnAddress(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false // the machine may not tell; loopback has been refused already
	}
	for _, addr := range addrs {
		if prefix, err := netip.ParsePrefix(addr.String()); err == nil && prefix.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
