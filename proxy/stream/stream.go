// Package stream provides what a proxy needs of its connections, of any kind: ending one direction, a reset, waiting
// for bytes without a buffer, and reading ahead.
package stream

import (
	"io"
	"net"
	"time"
)

// LingerTime bounds how long a client may take to read the last answer.
const LingerTime = 2 * time.Second

// lingerSize bounds what Linger reads.
const lingerSize = 256 << 10

// CloseWrite ends one direction of conn, or closes conn if one direction cannot be ended alone.
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

// SetLinger sets SO_LINGER of conn if it is TCP below.
func SetLinger(conn net.Conn, seconds int) error {
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}

// Linger ends the direction towards a client and reads for a while what it still sends: a close with unread bytes would
// be a reset, and the client might lose the last answer.
func Linger(client net.Conn) {
	_ = client.SetReadDeadline(time.Now().Add(LingerTime))
	if CloseWrite(client) == nil {
		_, _ = io.CopyN(io.Discard, client, lingerSize)
	}
}
