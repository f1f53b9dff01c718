package portforward

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"sync"
)

// The opcodes of RFC 6455, section 5.2.
const (
	wsContinuation = 0
	wsText         = 1
	wsBinary       = 2
	wsClose        = 8
	wsPing         = 9
	wsPong         = 10
)

const wsMaxControl = 125

// A webSocket is the client's end of a WebSocket (RFC 6455) as a plain stream of bytes. Writes go out in binary
// messages of one frame; binary messages are read, and their bounds do not matter. It is no library's because this path
// needs two things that none offers: a payload that is read straight into the reader's buffer, and a read that can go
// on after a deadline cut it short.
type webSocket struct {
	net.Conn

	// The reader's state, which survives deadlines.
	head      [14]byte
	have      int
	left      uint64 // payload still to come of the current data frame
	control   []byte // payload of the current control frame
	inMessage bool   // a message has begun and not ended

	mu     sync.Mutex // guards the writer
	masks  *mathrand.ChaCha8
	buffer sync.Pool
}

func newWebSocket(conn net.Conn) *webSocket {
	var seed [32]byte
	rand.Read(seed[:])
	return &webSocket{Conn: conn, masks: mathrand.NewChaCha8(seed)}
}

// wsKey returns a Sec-WebSocket-Key and the Sec-WebSocket-Accept that must answer it (RFC 6455, section 4.1).
func wsKey() (key, accept string) {
	var nonce [16]byte
	rand.Read(nonce[:])
	key = base64.StdEncoding.EncodeToString(nonce[:])
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return key, base64.StdEncoding.EncodeToString(sum[:])
}

var errWebSocket = errors.New("WebSocket protocol error")

// Read reads the payload of binary messages. It returns io.EOF for a close frame.
func (w *webSocket) Read(p []byte) (int, error) {
	for w.left == 0 {
		opcode, length, err := w.readHead()
		if err != nil {
			return 0, err
		}
		if opcode < wsClose {
			w.left = length
			continue
		}
		if err := w.handleControl(opcode); err != nil {
			return 0, err
		}
	}
	if uint64(len(p)) > w.left {
		p = p[:w.left]
	}
	n, err := w.Conn.Read(p)
	w.left -= uint64(n)
	return n, err
}

// readHead reads a frame's head, and the whole payload of a control frame.
func (w *webSocket) readHead() (opcode byte, length uint64, err error) {
	need := 2
	for {
		if err := w.fill(w.head[:need], &w.have); err != nil {
			return 0, 0, err
		}
		extra := map[byte]int{126: 2, 127: 8}[w.head[1]&0x7f]
		if need == 2+extra {
			break
		}
		need = 2 + extra
	}
	fin := w.head[0]&0x80 != 0
	opcode = w.head[0] & 0x0f
	switch length = uint64(w.head[1] & 0x7f); length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(w.head[2:]))
	case 127:
		length = binary.BigEndian.Uint64(w.head[2:])
	}
	if err := w.check(opcode, fin, length); err != nil {
		return 0, 0, err
	}
	if opcode >= wsClose {
		if w.control == nil {
			w.control = make([]byte, 0, length)
		}
		have := len(w.control)
		err := w.fill(w.control[:length], &have)
		w.control = w.control[:have]
		if err != nil {
			return 0, 0, err
		}
	} else {
		w.inMessage = !fin
	}
	w.have = 0
	return opcode, length, nil
}

// fill continues to read b where its last call stopped.
func (w *webSocket) fill(b []byte, have *int) error {
	for *have < len(b) {
		n, err := w.Conn.Read(b[*have:])
		*have += n
		if err != nil && *have < len(b) {
			return err
		}
	}
	return nil
}

func (w *webSocket) check(opcode byte, fin bool, length uint64) error {
	switch {
	case w.head[0]&0x70 != 0:
		return fmt.Errorf("%w: reserved bits", errWebSocket)
	case w.head[1]&0x80 != 0:
		return fmt.Errorf("%w: masked frame from a server", errWebSocket)
	case opcode >= wsClose && (!fin || length > wsMaxControl):
		return fmt.Errorf("%w: control frame of %d bytes", errWebSocket, length)
	case length>>63 != 0:
		return fmt.Errorf("%w: frame of %d bytes", errWebSocket, length)
	case opcode == wsBinary && !w.inMessage, opcode == wsContinuation && w.inMessage, opcode >= wsClose && opcode <= wsPong:
		return nil
	}
	return fmt.Errorf("%w: frame of type %d out of place", errWebSocket, opcode)
}

func (w *webSocket) handleControl(opcode byte) error {
	payload := w.control
	w.control = nil
	switch opcode {
	case wsClose:
		return io.EOF
	case wsPing:
		// A writer that is stuck must not hold the reader: an answer may be omitted (RFC 6455, section 5.5.3).
		if w.mu.TryLock() {
			defer w.mu.Unlock()
			_, err := w.send(wsPong, payload)
			return err
		}
	}
	return nil
}

// Write sends p as one binary message.
func (w *webSocket) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.send(wsBinary, p)
}

// send copies p behind a head, masks it (RFC 6455, section 5.3), and writes both at once.
func (w *webSocket) send(opcode byte, p []byte) (int, error) {
	b, _ := w.buffer.Get().(*[]byte)
	if b == nil || cap(*b) < len(p)+14 {
		fresh := make([]byte, 0, len(p)+14)
		b = &fresh
	}
	defer w.buffer.Put(b)
	out := append((*b)[:0], 0x80|opcode)
	switch {
	case len(p) <= wsMaxControl:
		out = append(out, 0x80|byte(len(p)))
	case len(p) <= 0xffff:
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(len(p)))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 0x80|127), uint64(len(p)))
	}
	mask := uint32(w.masks.Uint64())
	out = binary.LittleEndian.AppendUint32(out, mask)
	start := len(out)
	out = out[:start+len(p)]
	maskInto(out[start:], p, mask)
	if _, err := w.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

func maskInto(dst, src []byte, mask uint32) {
	wide := uint64(mask)<<32 | uint64(mask)
	i := 0
	for ; i+8 <= len(src); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:])^wide)
	}
	for ; i < len(src); i++ {
		dst[i] = src[i] ^ byte(mask>>(8*(i%4)))
	}
}
