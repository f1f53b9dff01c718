// Package socks implements the server's side of the SOCKS 4, 4A and 5 handshakes, and nothing else: it reads requests
// and writes answers. Names are not resolved, and the caller decides the answer.
package socks

import "errors"

// A Request is what a client asks to be connected with.
type Request struct {
	Host  string // a name as the client wrote it, unchecked, or an IP address
	Port  int
	Early []byte // what the client sent after its request
}

// ErrNotConnect is the error for a request for something other than a connection: BIND or UDP ASSOCIATE.
var ErrNotConnect = errors.New("only CONNECT is supported")
