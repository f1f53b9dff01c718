//go:build !linux

package peer

import (
	"errors"
	"net"
	"net/netip"
	"os"
)

// checkConnected returns nil: whether a connection still exists is checked only on Linux.
func checkConnected(net.Conn) error { return nil }

// orphaned returns false: only Linux knows of sockets that no program has open.
func orphaned(netip.AddrPort, netip.AddrPort) bool { return false }

// Sockets are those of another network namespace, of which there are none on this system.
type Sockets struct{}

// SocketsOf returns errors.ErrUnsupported.
func SocketsOf(*os.File) (*Sockets, error) { return nil, errors.ErrUnsupported }

// Departed returns false.
func (*Sockets) Departed(netip.AddrPort, netip.AddrPort) bool { return false }

// Close returns nil.
func (*Sockets) Close() error { return nil }
