package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"fairlead/proxy/stream"
)

// SOCKS4 in bytes: its version, the one command that is served, and the codes of its answers.
const (
	socks4Version   byte = 4
	socks4Connect   byte = 1
	socks4Granted   byte = 90
	socks4Rejected  byte = 91
	socks4OtherUser byte = 93  // "client program and identd report different user-ids"
	socks4Field     int  = 255 // most bytes of a user id, and of a name
)

// askSOCKS4 reads a request of SOCKS4 or SOCKS4A and leaves it unanswered. A user id is read and means nothing. An error
// that is the request's fault has been answered.
func (c *connection) askSOCKS4(client *stream.Peeked) (*request, error) {
	ahead := bufio.NewReaderSize(client, 1<<10)
	target, err := readSOCKS4(ahead)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("SOCKS4 request: %w", err), socks4Reply(client, socks4Rejected))
	}
	if c.config.Credentials != nil {
		return nil, errors.Join(errNoPassword, socks4Reply(client, socks4OtherUser))
	}
	early, _ := ahead.Peek(ahead.Buffered()) // cannot fail: they are there
	return &request{protocol: SOCKS4, target: target, early: bytes.Clone(early), dialect: socks4Dialect{}}, nil
}

func readSOCKS4(r *bufio.Reader) (Target, error) {
	var head [8]byte // version, command, port, address
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Target{}, err
	}
	if head[0] != socks4Version || head[1] != socks4Connect {
		return Target{}, errNotConnect
	}
	if _, err := readField(r); err != nil {
		return Target{}, err
	}
	ip := netip.AddrFrom4([4]byte(head[4:]))
	host := ip.String()
	// SOCKS4A: 0.0.0.x, x not zero, is no address but says that a name follows.
	if head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] != 0 {
		name, err := readField(r)
		if err != nil {
			return Target{}, err
		}
		host = name
	}
	return NewTarget(host, int(binary.BigEndian.Uint16(head[2:])))
}

// readField reads up to a NUL.
func readField(r *bufio.Reader) (string, error) {
	var field []byte
	for {
		b, err := r.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == 0:
			return string(field), nil
		case len(field) == socks4Field:
			return "", fmt.Errorf("a field is longer than %d bytes", socks4Field)
		}
		field = append(field, b)
	}
}

// socks4Dialect answers a SOCKS4 request.
type socks4Dialect struct{}

func (socks4Dialect) accept(w io.Writer) error { return socks4Reply(w, socks4Granted) }

func (socks4Dialect) refuse(w io.Writer, answer Answer) error { return socks4Reply(w, answer.SOCKS4) }

func socks4Reply(w io.Writer, code byte) error {
	_, err := w.Write([]byte{0, code, 0, 0, 0, 0, 0, 0})
	return err
}
