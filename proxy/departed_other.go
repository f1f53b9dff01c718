//go:build !linux

package proxy

import "net/netip"

func orphaned(netip.AddrPort, netip.AddrPort) bool { return false }
