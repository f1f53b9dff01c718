package netns

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// deviceName is the device's name inside.
const deviceName = "fairlead0"

// openDevice makes the device, which exists as long as it is open.
func openDevice() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	device := os.NewFile(uintptr(fd), "/dev/net/tun")
	request, err := unix.NewIfreq(deviceName)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		device.Close()
		return nil, err
	}
	return device, nil
}

// configureNetwork gives the device its addresses and makes it the only way out. It reports whether IPv6 is among them,
// which a kernel may lack.
func configureNetwork(c Config) (ipv6 bool, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	n := &netlink{fd: fd}
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		return false, err
	}
	device, err := net.InterfaceByName(deviceName)
	if err != nil {
		return false, err
	}
	if err := n.up(loopback.Index, 0); err != nil {
		return false, fmt.Errorf("loopback: %w", err)
	}
	if err := n.up(device.Index, c.MTU); err != nil {
		return false, fmt.Errorf("device: %w", err)
	}
	for _, p := range c.Addresses {
		err := n.address(device.Index, p)
		if err == nil {
			err = n.route(device.Index, p.Addr().Is6())
		}
		switch {
		case err == nil:
			ipv6 = ipv6 || p.Addr().Is6()
		case p.Addr().Is4():
			return false, fmt.Errorf("address %s: %w", p, err)
		}
	}
	return ipv6, nil
}

// netlink is a socket for the kernel's set-up of the network.
type netlink struct {
	fd       int
	sequence uint32
}

// An attribute is one of a request.
type attribute struct {
	kind  uint16
	value []byte
}

func (n *netlink) up(index, mtu int) error {
	body := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(body[4:], uint32(index))
	binary.NativeEndian.PutUint32(body[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(body[12:], unix.IFF_UP)
	if mtu == 0 {
		return n.request(unix.RTM_NEWLINK, 0, body)
	}
	return n.request(unix.RTM_NEWLINK, 0, body, attribute{unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu))})
}

func (n *netlink) address(index int, p netip.Prefix) error {
	body := make([]byte, unix.SizeofIfAddrmsg)
	body[0], body[1] = family(p.Addr().Is6()), byte(p.Bits())
	if p.Addr().Is6() {
		body[2] = unix.IFA_F_NODAD // nobody else is there
	}
	binary.NativeEndian.PutUint32(body[4:], uint32(index))
	address := p.Addr().AsSlice()
	return n.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE, body, attribute{unix.IFA_LOCAL, address}, attribute{unix.IFA_ADDRESS, address})
}

// route makes a device the way to all other addresses.
func (n *netlink) route(index int, ipv6 bool) error {
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[4], body[5], body[7] = family(ipv6), unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RTN_UNICAST
	if !ipv6 {
		body[6] = unix.RT_SCOPE_LINK
	}
	return n.request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, body, attribute{unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index))})
}

func family(ipv6 bool) byte {
	if ipv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// request sends a request and waits for its acknowledgement.
func (n *netlink) request(kind, flags uint16, body []byte, attributes ...attribute) error {
	for _, a := range attributes {
		body = binary.NativeEndian.AppendUint16(body, uint16(unix.SizeofRtAttr+len(a.value)))
		body = binary.NativeEndian.AppendUint16(body, a.kind)
		body = append(body, a.value...)
		body = append(body, make([]byte, -len(a.value)&3)...)
	}
	n.sequence++
	head := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	head = binary.NativeEndian.AppendUint16(head, kind)
	head = binary.NativeEndian.AppendUint16(head, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	head = binary.NativeEndian.AppendUint32(head, n.sequence)
	head = binary.NativeEndian.AppendUint32(head, 0)
	if err := unix.Sendto(n.fd, append(head, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	size, _, err := unix.Recvfrom(n.fd, answer, 0)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(answer[:size])
	if err != nil {
		return err
	}
	for _, m := range messages {
		if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
			if errno := -int32(binary.NativeEndian.Uint32(m.Data)); errno != 0 {
				return syscall.Errno(errno)
			}
		}
	}
	return nil
}
