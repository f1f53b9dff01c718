// Package peer finds out who is at the other end of a connection: which user of this machine, and whether the program that
// opened it still has it.
package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// An Error is the error for a client of another user of this machine, or of a user who cannot be determined.
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

// errNoAddress is the error for a connection that is not TCP.
var errNoAddress = errors.New("the client has no TCP address")

// SameUser returns a check that admits the clients of the user who runs this process and of root, and returns an *Error
// for clients of other users of this machine. It also reports whether this system can determine the user; otherwise,
// the check admits every client. Clients on other machines are always admitted.
func SameUser() (check func(client, local netip.AddrPort) error, supported bool) { return sameUser() }

// Check applies a check of addresses, such as the one of SameUser, to the client of conn.
func Check(conn net.Conn, check func(client, local netip.AddrPort) error) error {
	client, ok := conn.RemoteAddr().(*net.TCPAddr)
	local, ok2 := conn.LocalAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return errNoAddress
	}
	if err := check(client.AddrPort(), local.AddrPort()); err != nil {
		return err
	}
	// The check is about the current owner of the addresses. A client that was reset while it waited to be accepted no
	// longer owns them, but what it sent can still be read. While its connection exists, no other client can have the
	// addresses.
	return checkConnected(conn)
}

// Departed reports whether the program at the other end is known to have closed its connection, and not only to have
// ended its direction. Both send the same FIN, but the kernel knows the state of programs on this machine. A connection
// that knows by itself has a method Departed.
func Departed(client net.Conn) bool {
	if knows, ok := client.(interface{ Departed() bool }); ok {
		return knows.Departed()
	}
	from, to := addrPort(client.RemoteAddr()), addrPort(client.LocalAddr())
	// Other addresses than the loopback's may be translated, or belong to another machine.
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
		return false // the system may not report them; the loopback is known anyway
	}
	for _, addr := range addrs {
		if prefix, err := netip.ParsePrefix(addr.String()); err == nil && prefix.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
