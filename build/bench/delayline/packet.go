package delayline

import (
	"encoding/binary"
	"time"
)

const (
	// offloadHeader is the length of the virtio-net header before each packet of the device. It says where to fill in a
	// checksum and how to segment the packet, and stays valid for the turned packet.
	offloadHeader = 10
	ipv4Header    = 20
	// frameSize is the size of the largest packet with its header.
	frameSize = offloadHeader + 65535
)

// A road is the delay that a packet's destination address requests. Packets of one road keep their order.
type road struct {
	roundTrip, jitter time.Duration
	// ports are the packet's source and destination ports if there is jitter, so that the packets of a connection do
	// not wait for another's, nor for those of the other direction.
	ports [4]byte
}

// roadOf returns the road of a frame (an IPv4 packet after its offload header), and whether its destination is a far
// address.
func roadOf(frame []byte) (road, bool) {
	if len(frame) < offloadHeader+ipv4Header {
		return road{}, false
	}
	packet := frame[offloadHeader:]
	if packet[0]>>4 != 4 || int(binary.BigEndian.Uint16(packet[2:])) > len(packet) {
		return road{}, false
	}
	if packet[16] != 10 || packet[17] != 98 || packet[18] == 0 || packet[19] < noJitter {
		return road{}, false
	}
	r := road{
		roundTrip: time.Duration(packet[18]) * time.Millisecond,
		jitter:    time.Duration(packet[19]-noJitter) * time.Millisecond,
	}
	if header := int(packet[0]&0xf) * 4; r.jitter > 0 && len(packet) >= header+len(r.ports) {
		copy(r.ports[:], packet[header:])
	}
	return r, true
}

// turn swaps the packet's source and destination. The checksums of IPv4, TCP and UDP stay valid, complete or partial:
// they are sums over both addresses, in any order.
func turn(frame []byte) {
	packet := frame[offloadHeader:]
	var source [4]byte
	copy(source[:], packet[12:16])
	copy(packet[12:16], packet[16:20])
	copy(packet[16:20], source[:])
}
