package socks

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
)

// Version4 is the first byte of a request of SOCKS4 and SOCKS4A.
const Version4 byte = 4

// Reply codes of SOCKS4.
const (
	Granted4   byte = 90
	Rejected4  byte = 91
	OtherUser4 byte = 93 // "client program and identd report different user-ids"
)

const connect4 byte = 1

const maxField4 = 255 // bytes of a user ID or a name

// Read4 reads a SOCKS4 or SOCKS4A request. It never replies to it, even if it returns an error. The user ID in the
// request is ignored.
func Read4(client io.Reader) (Request, error) {
	r := bufio.NewReaderSize(client, 1<<10)
	var head [8]byte // version, command, port, address
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Request{}, err
	}
	if head[0] != Version4 || head[1] != connect4 {
		return Request{}, ErrNotConnect
	}
	if _, err := readField(r); err != nil {
		return Request{}, err
	}
	request := Request{Host: netip.AddrFrom4([4]byte(head[4:])).String(), Port: int(binary.BigEndian.Uint16(head[2:]))}
	// SOCKS4A: 0.0.0.x, with x not zero, means that a name follows.
	if head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] != 0 {
		name, err := readField(r)
		if err != nil {
			return Request{}, err
		}
		request.Host = name
	}
	early, _ := r.Peek(r.Buffered()) // cannot fail: these bytes are in the buffer
	request.Early = bytes.Clone(early)
	return request, nil
}

// readField reads a string that ends with a NUL, and returns it without the NUL.
func readField(r *bufio.Reader) (string, error) {
	var field []byte
	for {
		b, err := r.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == 0:
			return string(field), nil
		case len(field) == maxField4:
			return "", fmt.Errorf("a field is longer than %d bytes", maxField4)
		}
		field = append(field, b)
	}
}

// Reply4 answers a request of SOCKS4.
func Reply4(client io.Writer, code byte) error {
	_, err := client.Write([]byte{0, code, 0, 0, 0, 0, 0, 0})
	return err
}
