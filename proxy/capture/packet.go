package capture

import (
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// ttl is the time to live of packets that are made here.
const ttl = 64

// maxQuote bounds what an unreachable quotes, so that it fits the smallest MTU of IPv6.
const maxQuote = header.IPv6MinimumMTU - header.IPv6MinimumSize - header.ICMPv6MinimumSize

// A reason is why something cannot be reached, as the code of an ICMP message.
type reason struct {
	v4 header.ICMPv4Code
	v6 header.ICMPv6Code
}

var (
	portUnreachable = reason{header.ICMPv4PortUnreachable, header.ICMPv6PortUnreachable}    // a connected socket gets ECONNREFUSED
	hostUnreachable = reason{header.ICMPv4HostUnreachable, header.ICMPv6AddressUnreachable} // EHOSTUNREACH
)

// quote copies the headers of a packet, as far as an unreachable quotes them.
func quote(p *stack.PacketBuffer) []byte {
	return slices.Concat(p.NetworkHeader().Slice(), p.TransportHeader().Slice())
}

// unreachable returns the ICMP message that says why a packet, of which quoted is the beginning, did not reach its
// destination. The destination itself sends it. It returns nil if quoted is not a packet.
func unreachable(quoted []byte, why reason) []byte {
	quoted = quoted[:min(len(quoted), maxQuote)]
	switch protocol, _ := protocolOf(quoted); {
	case protocol == header.IPv4ProtocolNumber && len(quoted) >= header.IPv4MinimumSize:
		ip := header.IPv4(quoted)
		p := newIPv4(ip.DestinationAddress(), ip.SourceAddress(), header.ICMPv4ProtocolNumber, header.ICMPv4MinimumSize+len(quoted))
		message := header.ICMPv4(p[header.IPv4MinimumSize:])
		message.SetType(header.ICMPv4DstUnreachable)
		message.SetCode(why.v4)
		copy(message.Payload(), quoted)
		message.SetChecksum(header.ICMPv4Checksum(message, 0))
		return p
	case protocol == header.IPv6ProtocolNumber && len(quoted) >= header.IPv6MinimumSize:
		ip := header.IPv6(quoted)
		p := newIPv6(ip.DestinationAddress(), ip.SourceAddress(), header.ICMPv6ProtocolNumber, header.ICMPv6MinimumSize+len(quoted))
		message := header.ICMPv6(p[header.IPv6MinimumSize:])
		message.SetType(header.ICMPv6DstUnreachable)
		message.SetCode(why.v6)
		copy(message.Payload(), quoted)
		message.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: message, Src: ip.DestinationAddress(), Dst: ip.SourceAddress()}))
		return p
	}
	return nil
}

// datagramTo returns a datagram to the client of id, from the address that the client has sent one to.
func datagramTo(id stack.TransportEndpointID, payload []byte) []byte {
	size := header.UDPMinimumSize + len(payload)
	if size > maxPacket-header.IPv4MinimumSize {
		return nil
	}
	var p []byte
	var datagram header.UDP
	if id.RemoteAddress.Len() == header.IPv4AddressSize {
		p = newIPv4(id.LocalAddress, id.RemoteAddress, header.UDPProtocolNumber, size)
		datagram = header.UDP(p[header.IPv4MinimumSize:])
	} else {
		p = newIPv6(id.LocalAddress, id.RemoteAddress, header.UDPProtocolNumber, size)
		datagram = header.UDP(p[header.IPv6MinimumSize:])
	}
	datagram.Encode(&header.UDPFields{SrcPort: id.LocalPort, DstPort: id.RemotePort, Length: uint16(size)})
	copy(datagram.Payload(), payload)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, id.LocalAddress, id.RemoteAddress, uint16(size))
	sum = ^checksum.Checksum(datagram, sum)
	if sum == 0 {
		sum = 0xffff // RFC 768: 0 stands for no checksum
	}
	datagram.SetChecksum(sum)
	return p
}

// newIPv4 returns a packet with room for size bytes after its header.
func newIPv4(from, to tcpip.Address, protocol tcpip.TransportProtocolNumber, size int) []byte {
	p := make([]byte, header.IPv4MinimumSize+size)
	ip := header.IPv4(p)
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(p)), TTL: ttl, Protocol: uint8(protocol), SrcAddr: from, DstAddr: to})
	ip.SetChecksum(^ip.CalculateChecksum())
	return p
}

// newIPv6 returns a packet with room for size bytes after its header.
func newIPv6(from, to tcpip.Address, protocol tcpip.TransportProtocolNumber, size int) []byte {
	p := make([]byte, header.IPv6MinimumSize+size)
	header.IPv6(p).Encode(&header.IPv6Fields{PayloadLength: uint16(size), TransportProtocol: protocol, HopLimit: ttl, SrcAddr: from, DstAddr: to})
	return p
}

// controlMessage reports whether a packet is an ICMP message, and whether that is a ping.
func controlMessage(p []byte) (isPing, isControl bool) {
	switch protocol, _ := protocolOf(p); protocol {
	case header.IPv4ProtocolNumber:
		if len(p) < header.IPv4MinimumSize || header.IPv4(p).TransportProtocol() != header.ICMPv4ProtocolNumber {
			return false, false
		}
		rest := p[min(len(p), int(header.IPv4(p).HeaderLength())):]
		return len(rest) >= header.ICMPv4MinimumSize && header.ICMPv4(rest).Type() == header.ICMPv4Echo, true
	case header.IPv6ProtocolNumber:
		if len(p) < header.IPv6MinimumSize || header.IPv6(p).NextHeader() != uint8(header.ICMPv6ProtocolNumber) {
			return false, false
		}
		rest := p[header.IPv6MinimumSize:]
		return len(rest) >= header.ICMPv6EchoMinimumSize && header.ICMPv6(rest).Type() == header.ICMPv6EchoRequest, true
	}
	return false, false
}
