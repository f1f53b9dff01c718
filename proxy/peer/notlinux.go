//go:build !linux

package peer

import (
	"net"
	"net/netip"
)

// checkConnected returns nil: only Linux is asked whether a connection still is one.
func checkConnected(net.Conn) error { return nil }

// orphaned returns false: only Linux knows of sockets that no program has open.
func orphaned(netip.AddrPort, netip.AddrPort) bool { return false }
