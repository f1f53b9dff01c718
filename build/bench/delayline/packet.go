package delayline

import (
	"encoding/binary"
	"time"
)

const (
	// offloadHeader is the length of the virtio-net header that stands before each packet of the device. It says where a
	// checksum is still to be filled in and how to cut the packet into segments, and holds for the turned packet too.
	offloadHeader = 10
	ipv4Header    = 20
	// frameSize is the largest packet with its header.
	frameSize = offloadHeader + 65535
)

// roundTrip is the round trip asked for by the destination of frame (an IPv4 packet behind its offload header), and
// whether the frame is one for a far address.
func roundTrip(frame []byte) (time.Duration, bool) {
	if len(frame) < offloadHeader+ipv4Header {
		return 0, false
	}
	packet := frame[offloadHeader:]
	if packet[0]>>4 != 4 || int(binary.BigEndian.Uint16(packet[2:])) > len(packet) {
		return 0, false
	}
	if packet[16] != 10 || packet[17] != 98 || packet[18] == 0 {
		return 0, false
	}
	return time.Duration(packet[18]) * time.Millisecond, true
}

// turn swaps the packet's source and destination. The checksums of IPv4, TCP and UDP stay right, finished or not: they
// are sums over both addresses, in any order.
func turn(frame []byte) {
	packet := frame[offloadHeader:]
	var source [4]byte
	copy(source[:], packet[12:16])
	copy(packet[12:16], packet[16:20])
	copy(packet[16:20], source[:])
}
