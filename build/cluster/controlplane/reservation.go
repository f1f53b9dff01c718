package controlplane

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// reservation is a loopback port that is bound but not listened on, with SO_REUSEPORT: the kernel gives it to no other
// program, and only a program of the same user with the same option can listen on it. So several clusters can pick free
// ports at the same time.
type reservation struct {
	descriptor int
	address    netip.AddrPort
}

// reserve reserves a port; 0 means a free one.
func reserve(port uint16) (_ reservation, err error) {
	descriptor, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return reservation{}, fmt.Errorf("socket: %w", err)
	}
	unix.CloseOnExec(descriptor)
	defer func() {
		if err != nil {
			unix.Close(descriptor)
		}
	}()
	if err := unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return reservation{}, fmt.Errorf("SO_REUSEPORT: %w", err)
	}
	if err := unix.Bind(descriptor, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)}); err != nil {
		return reservation{}, fmt.Errorf("bind: %w", err)
	}
	name, err := unix.Getsockname(descriptor)
	if err != nil {
		return reservation{}, fmt.Errorf("getsockname: %w", err)
	}
	bound, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return reservation{}, fmt.Errorf("getsockname: %T", name)
	}
	return reservation{descriptor, netip.AddrPortFrom(netip.AddrFrom4(bound.Addr), uint16(bound.Port))}, nil
}

func (r reservation) String() string {
	return net.JoinHostPort(r.address.Addr().String(), r.port())
}

func (r reservation) port() string { return strconv.Itoa(int(r.address.Port())) }

// release frees the port; the zero value holds none.
func (r *reservation) release() {
	if r.address.IsValid() {
		unix.Close(r.descriptor)
		*r = reservation{}
	}
}
