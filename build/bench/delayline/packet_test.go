package delayline

import (
	"encoding/binary"
	"testing"
	"time"
)

// frameTo returns a TCP segment to 10.98.third.1 with valid checksums, after an empty offload header.
func frameTo(third byte, payload string) []byte {
	frame := make([]byte, offloadHeader+ipv4Header+20, offloadHeader+ipv4Header+20+len(payload))
	frame = append(frame, payload...)
	packet := frame[offloadHeader:]
	packet[0], packet[8], packet[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	copy(packet[12:], Home.AsSlice())
	copy(packet[16:], []byte{10, 98, third, 1})
	binary.BigEndian.PutUint16(packet[10:], ^checksum(packet[:ipv4Header], 0))
	segment := packet[ipv4Header:]
	binary.BigEndian.PutUint16(segment[0:], 40000)
	binary.BigEndian.PutUint16(segment[2:], 443)
	segment[12] = 5 << 4
	binary.BigEndian.PutUint16(segment[16:], ^checksum(segment, pseudoHeader(packet)))
	return frame
}

// checksum returns the ones' complement sum of RFC 1071, which is 0xffff over data that includes a valid checksum.
func checksum(data []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	if len(data)%2 == 1 {
		sum += uint32(data[len(data)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

func pseudoHeader(packet []byte) uint32 {
	return uint32(checksum(packet[12:20], 0)) + 6 + uint32(len(packet)-ipv4Header)
}

func TestATurnedPacketComesFromWhereItWent(t *testing.T) {
	frame := frameTo(40, "odd")
	turn(frame)
	packet := frame[offloadHeader:]
	if got, want := [8]byte(packet[12:20]), [8]byte{10, 98, 40, 1, 10, 99, 0, 1}; got != want {
		t.Errorf("source and destination are %v, want %v", got, want)
	}
	if got := string(packet[40:]); got != "odd" {
		t.Errorf("the payload is %q", got)
	}
}

func TestChecksumsStayRight(t *testing.T) {
	frame := frameTo(160, "some payload of odd length!")
	turn(frame)
	packet := frame[offloadHeader:]
	if sum := checksum(packet[:ipv4Header], 0); sum != 0xffff {
		t.Errorf("IPv4 header sums to %#x", sum)
	}
	if sum := checksum(packet[ipv4Header:], pseudoHeader(packet)); sum != 0xffff {
		t.Errorf("TCP segment sums to %#x", sum)
	}
	packet[len(packet)-1]++
	if sum := checksum(packet[ipv4Header:], pseudoHeader(packet)); sum == 0xffff {
		t.Error("the check does not notice a changed byte")
	}
}

func TestOnlyPacketsToFarAddressesAreHeld(t *testing.T) {
	tests := map[string]struct {
		change func([]byte) []byte
		want   road
		ok     bool
	}{
		"to a far address":         {func(f []byte) []byte { return f }, road{roundTrip: 40 * time.Millisecond}, true},
		"to the farthest":          {func(f []byte) []byte { f[offloadHeader+18] = 255; return f }, road{roundTrip: Longest}, true},
		"with jitter":              {func(f []byte) []byte { f[offloadHeader+19] = 16; return f }, road{40 * time.Millisecond, 15 * time.Millisecond, [4]byte{40000 >> 8, 40000 & 0xff, 443 >> 8, 443 & 0xff}}, true},
		"without a delay":          {func(f []byte) []byte { f[offloadHeader+18] = 0; return f }, road{}, false},
		"without a last octet":     {func(f []byte) []byte { f[offloadHeader+19] = 0; return f }, road{}, false},
		"to another network":       {func(f []byte) []byte { f[offloadHeader+17] = 99; return f }, road{}, false},
		"IPv6":                     {func(f []byte) []byte { f[offloadHeader] = 0x60; return f }, road{}, false},
		"cut off":                  {func(f []byte) []byte { return f[:offloadHeader+ipv4Header-1] }, road{}, false},
		"shorter than it declares": {func(f []byte) []byte { return f[:len(f)-1] }, road{}, false},
		"empty":                    {func([]byte) []byte { return nil }, road{}, false},
	}
	for name, test := range tests {
		if r, ok := roadOf(test.change(frameTo(40, "x"))); r != test.want || ok != test.ok {
			t.Errorf("%s: %v, %v; want %v, %v", name, r, ok, test.want, test.ok)
		}
	}
}

func TestAddressHoldsRoundTripAndJitter(t *testing.T) {
	for want, of := range map[string][2]time.Duration{
		"10.98.160.1":   {160*time.Millisecond + 300*time.Microsecond, 0},
		"10.98.40.16":   {40 * time.Millisecond, 15*time.Millisecond + 300*time.Microsecond},
		"10.98.255.255": {255 * time.Millisecond, 254 * time.Millisecond},
	} {
		if address, err := Address(of[0], of[1]); err != nil || address.String() != want {
			t.Errorf("%s, %v; want %s", address, err, want)
		}
	}
	for _, of := range [][2]time.Duration{
		{0, 0}, {-time.Second, 0}, {999 * time.Microsecond, 0}, {256 * time.Millisecond, 0},
		{40 * time.Millisecond, -1}, {40 * time.Millisecond, 41 * time.Millisecond}, {255 * time.Millisecond, 255 * time.Millisecond},
	} {
		if address, err := Address(of[0], of[1]); err == nil {
			t.Errorf("%s give or take %s has the address %s", of[0], of[1], address)
		}
	}
}
