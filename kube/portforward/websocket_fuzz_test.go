package portforward

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

// A tape is a connection that returns its bytes in pieces, with a deadline that passes between any two of them, and
// keeps what is written.
type tape struct {
	net.Conn
	left    []byte
	piece   int
	late    bool
	written bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error) {
	if c.late = !c.late; c.late {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p[:min(len(p), c.piece)], c.left)
	if c.left = c.left[n:]; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (c *tape) Write(p []byte) (int, error) { return c.written.Write(p) }

// FuzzWebSocketReader reads what a server may send, in pieces, and compares the result with a plain parser of RFC 6455,
// section 5.2, that reads it as a whole.
func FuzzWebSocketReader(f *testing.F) {
	for _, seed := range []string{
		"\x82\x05hello", "\x02\x02he\x80\x03llo", "\x02\x02he\x89\x03you\x80\x03llo\x88\x00", "\x82\x7e\x00\x05hello",
		"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\x02no", "\x80\x00", "\xc2\x00", "\x09\x00", "\x89\x7e\x00\x7e",
	} {
		f.Add([]byte(seed), byte(1))
		f.Add([]byte(seed), byte(100))
	}
	f.Fuzz(func(t *testing.T, sent []byte, piece byte) {
		wire := &tape{left: sent, piece: int(piece) + 1}
		w := newWebSocket(wire)
		var got []byte
		b := make([]byte, 61)
		var err error
		for err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			var n int
			n, err = w.Read(b)
			got = append(got, b[:n]...)
		}
		want, pongs, violates := reading(sent)
		if !bytes.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
		if errors.Is(err, errWebSocket) != violates {
			t.Errorf("ended with %v; a violation: %v", err, violates)
		}
		if said := unmasked(t, wire.written.Bytes()); !bytes.Equal(said, pongs) {
			t.Errorf("answered %q, want %q", said, pongs)
		}
		if cap(w.control) > wsMaxControl+16 {
			t.Errorf("it holds %d bytes of a control frame", cap(w.control))
		}
	})
}

// reading returns the payload of all that comes before a close, a violation or the end, the answers to pings, and
// whether there is a violation.
func reading(b []byte) (payload, pongs []byte, violates bool) {
	inside := false
	for len(b) >= 2 {
		fin, opcode, length, head := b[0]&0x80 != 0, b[0]&0x0f, uint64(b[1]&0x7f), 2
		switch length {
		case 126:
			if head = 4; len(b) >= head {
				length = uint64(binary.BigEndian.Uint16(b[2:]))
			}
		case 127:
			if head = 10; len(b) >= head {
				length = binary.BigEndian.Uint64(b[2:])
			}
		}
		if len(b) < head {
			break
		}
		control := opcode == wsClose || opcode == wsPing || opcode == wsPong
		data := opcode == wsBinary && !inside || opcode == wsContinuation && inside
		if b[0]&0x70 != 0 || b[1]&0x80 != 0 || !control && !data || control && (!fin || length > 125) || length >= 1<<63 {
			return payload, pongs, true
		}
		b = b[head:]
		whole := uint64(len(b)) >= length
		part := b[:min(uint64(len(b)), length)]
		b = b[len(part):]
		switch {
		case data:
			payload, inside = append(payload, part...), !fin
		case whole && opcode == wsClose:
			return payload, pongs, false
		case whole && opcode == wsPing:
			pongs = append(append(pongs, byte(len(part))), part...)
		}
	}
	return payload, pongs, false
}

// unmasked returns the lengths and payloads of pongs as a server reads them. It fails the test unless each is whole and
// masked.
func unmasked(t *testing.T, b []byte) (pongs []byte) {
	for len(b) > 0 {
		if len(b) < 6 || b[0] != 0x80|wsPong || b[1]&0x80 == 0 || len(b) < 6+int(b[1]&0x7f) {
			t.Fatalf("no whole, masked pong: %q", b)
		}
		n := int(b[1] & 0x7f)
		pongs = append(pongs, byte(n))
		for i, c := range b[6 : 6+n] {
			pongs = append(pongs, c^b[2+i%4])
		}
		b = b[6+n:]
	}
	return pongs
}
