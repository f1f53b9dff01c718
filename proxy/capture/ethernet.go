package capture

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// The header of a frame: two hardware addresses and the kind of what follows.
const (
	frameHeader = 14
	kindIPv4    = 0x0800
	kindIPv6    = 0x86dd
)

// Ethernet returns a device for packets on a device for frames. station is the address of the only other station.
func Ethernet(frames io.ReadWriteCloser, station net.HardwareAddr) io.ReadWriteCloser {
	e := &ethernet{ReadWriteCloser: frames, frame: make([]byte, frameHeader+maxPacket)}
	copy(e.header[0:6], station)
	copy(e.header[6:12], station) // the sender's does not matter
	return e
}

type ethernet struct {
	io.ReadWriteCloser
	header [frameHeader]byte
	frame  []byte // of Read
}

// Read returns the next packet. It is called by one goroutine.
func (e *ethernet) Read(p []byte) (int, error) {
	for {
		n, err := e.ReadWriteCloser.Read(e.frame)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, io.EOF
		}
		if n > frameHeader {
			return copy(p, e.frame[frameHeader:n]), nil
		}
	}
}

// errNoPacket is the error for what is not an IP packet.
var errNoPacket = errors.New("not an IP packet")

// Write sends a packet.
func (e *ethernet) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, errNoPacket
	}
	frame := append(make([]byte, 0, frameHeader+len(p)), e.header[:]...)
	kind := uint16(kindIPv4)
	if p[0]>>4 == 6 {
		kind = kindIPv6
	}
	binary.BigEndian.PutUint16(frame[12:], kind)
	if _, err := e.ReadWriteCloser.Write(append(frame, p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}
