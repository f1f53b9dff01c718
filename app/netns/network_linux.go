package netns

import (
	"encoding/binary"
	"errors"
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
		_ = device.Close()
		return nil, err
	}
	return device, nil
}

// isClosed reports whether err says that this process cannot use /dev/net/tun. A pair of devices may still be possible.
func isClosed(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ENODEV, unix.ENXIO, unix.EACCES, unix.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// openPair makes a pair of devices that are connected with each other, and returns a socket for the frames of the far one
// and the hardware address of the near one. It is slower than openDevice, and needs no device file.
func openPair(mtu int) (*os.File, net.HardwareAddr, error) {
	n, err := openNetlink()
	if err != nil {
		return nil, nil, err
	}
	defer n.close()
	if err := n.pair(deviceName, farName, mtu); err != nil {
		return nil, nil, fmt.Errorf("make a pair of devices: %w", err)
	}
	near, err := net.InterfaceByName(deviceName)
	if err != nil {
		return nil, nil, err
	}
	far, err := net.InterfaceByName(farName)
	if err != nil {
		return nil, nil, err
	}
	if err := n.up(far.Index, 0); err != nil {
		return nil, nil, fmt.Errorf("far device: %w", err)
	}
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in the order of the network
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("packet socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), farName)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, frameBuffer) // a smaller one loses frames, which are sent again
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: far.Index})
	}
	if err != nil {
		_ = socket.Close()
		return nil, nil, fmt.Errorf("packet socket: %w", err)
	}
	return socket, near.HardwareAddr, nil
}

// farName is the name of the far device of a pair.
const farName = "fairlead1"

// frameBuffer is the size of the buffer for frames that are not read yet.
const frameBuffer = 8 << 20

// configureNetwork gives the device its addresses and makes it the only way out. It reports whether IPv6 is among them,
// which a kernel may lack.
func configureNetwork(c Config) (ipv6 bool, err error) {
	n, err := openNetlink()
	if err != nil {
		return false, err
	}
	defer n.close()
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

// A netlink is a socket to the kernel's configuration of the network, see rtnetlink(7).
type netlink struct {
	fd       int
	sequence uint32
}

func openNetlink() (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	return &netlink{fd: fd}, nil
}

func (n *netlink) close() { _ = unix.Close(n.fd) } // nothing was written to it that could be lost

// An attribute is a typed value in a request.
type attribute struct {
	kind  uint16
	value []byte
}

// appendAttributes appends attributes as a request has them, or as another attribute's value.
func appendAttributes(b []byte, attributes ...attribute) []byte {
	for _, a := range attributes {
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(a.value)))
		b = binary.NativeEndian.AppendUint16(b, a.kind)
		b = append(b, a.value...)
		b = append(b, make([]byte, -len(a.value)&3)...)
	}
	return b
}

// vethPeer is VETH_INFO_PEER of linux/veth.h.
const vethPeer = 1

// pair makes a pair of devices. The near one looks up no hardware addresses: all of its frames go to the far one.
func (n *netlink) pair(near, far string, mtu int) error {
	size := binary.NativeEndian.AppendUint32(nil, uint32(mtu))
	peer := appendAttributes(make([]byte, unix.SizeofIfInfomsg),
		attribute{unix.IFLA_IFNAME, append([]byte(far), 0)}, attribute{unix.IFLA_MTU, size})
	data := appendAttributes(nil, attribute{vethPeer, peer})
	info := appendAttributes(nil, attribute{unix.IFLA_INFO_KIND, []byte("veth")}, attribute{unix.IFLA_INFO_DATA, data})
	body := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(body[8:], unix.IFF_NOARP)
	binary.NativeEndian.PutUint32(body[12:], unix.IFF_NOARP)
	return n.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body,
		attribute{unix.IFLA_IFNAME, append([]byte(near), 0)}, attribute{unix.IFLA_MTU, size}, attribute{unix.IFLA_LINKINFO, info})
}

// up starts a device and, unless mtu is 0, sets its MTU.
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

// address adds an address to a device.
func (n *netlink) address(index int, p netip.Prefix) error {
	body := make([]byte, unix.SizeofIfAddrmsg)
	body[0], body[1] = family(p.Addr().Is6()), byte(p.Bits())
	if p.Addr().Is6() {
		body[2] = unix.IFA_F_NODAD // no other host could have it
	}
	binary.NativeEndian.PutUint32(body[4:], uint32(index))
	address := p.Addr().AsSlice()
	return n.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE, body, attribute{unix.IFA_LOCAL, address}, attribute{unix.IFA_ADDRESS, address})
}

// route adds a default route through a device.
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
	body = appendAttributes(body, attributes...)
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
