// Package stream is what a connection that carries bytes for others has to offer, whatever is below it: an end of one
// direction, a reset, a wait for bytes without a buffer, and bytes that were read ahead.
package stream

import (
	"io"
	"net"
	"time"
)

// LingerTime bounds how long a client may take to read what it was told last.
const LingerTime = 2 * time.Second

// lingerSize bounds what Linger reads.
const lingerSize = 256 << 10

// CloseWrite ends one direction of conn, or all of it where one direction cannot be ended alone.
func CloseWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// Reset closes conn so that its peer sees an error and not an orderly end, if the connection can do that.
func Reset(conn net.Conn) {
	_ = SetLinger(conn, 0) // fails only on a connection that is closed already
	_ = conn.Close()
}

// SetLinger is TCP's SetLinger, for a connection that has it.
func SetLinger(conn net.Conn, seconds int) error {
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}

// Linger ends the direction towards a client and reads for a while what it still sends: a close with unread bytes would
// be a reset, and the client might lose what it was told last.
func Linger(client net.Conn) {
	_ = client.SetReadDeadline(time.Now().Add(LingerTime))
	if CloseWrite(client) == nil {
		_, _ = io.CopyN(io.Discard, client, lingerSize)
	}
}
