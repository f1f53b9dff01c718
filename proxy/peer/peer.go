// Package peer finds out who is at the other end of a connection: which user of this machine, and whether the program that
// opened it still has it.
package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// An Error is a client that belongs to another user of this machine, or of whom that cannot be told.
type Error struct {
	UID uint32 // the user, when Err is nil
	Err error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("whose client this is cannot be told: %v", e.Err)
	}
	return fmt.Sprintf("the client belongs to user %d", e.UID)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// errNoAddress is a connection that is none of TCP.
var errNoAddress = errors.New("the client has no TCP address")

// SameUser returns a check that lets in the clients of the user who runs this process and of root, and turns away those of
// the machine's other users with an *Error; and whether this system can tell. Where it cannot, the check lets everybody in.
// Clients on other machines are let in everywhere.
func SameUser() (check func(client, local netip.AddrPort) error, supported bool) { return sameUser() }

// Check judges the client of conn by a check of its addresses, such as SameUser returns.
func Check(conn net.Conn, check func(client, local netip.AddrPort) error) error {
	client, ok := conn.RemoteAddr().(*net.TCPAddr)
	local, ok2 := conn.LocalAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return errNoAddress
	}
	if err := check(client.AddrPort(), local.AddrPort()); err != nil {
		return err
	}
	// What was asked is who has the addresses now. A client that was reset while it waited to be accepted has lost them, and
	// what it sent can still be read; as long as its connection exists nobody else can have them.
	return checkConnected(conn)
}

// Departed reports whether the program at the other end has closed its connection, and not only ended its direction, if
// that can be told: a FIN looks the same for both, but of its own programs the kernel knows. False is no answer. A connection
// that knows by itself has a method Departed.
func Departed(client net.Conn) bool {
	if knows, ok := client.(interface{ Departed() bool }); ok {
		return knows.Departed()
	}
	from, to := addrPort(client.RemoteAddr()), addrPort(client.LocalAddr())
	// Others than loopback's may be behind a translation of addresses, or on another machine.
	if !from.Addr().Unmap().IsLoopback() || !to.Addr().Unmap().IsLoopback() {
		return false
	}
	return orphaned(from, to)
}

func addrPort(addr net.Addr) netip.AddrPort {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}

// IsOwnAddress reports whether an address is one of this machine's interfaces: what listens there listens here.
func IsOwnAddress(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false // the machine may not tell; loopback is known without it
	}
	for _, addr := range addrs {
		if prefix, err := netip.ParsePrefix(addr.String()); err == nil && prefix.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
