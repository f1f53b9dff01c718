// Package socks reads what clients ask for in SOCKS 4, 4A and 5, and answers them: the server's side of the handshakes, and
// nothing behind them. Names stay names, and the answer is left to the caller, who knows what came of the request.
package socks

import "errors"

// A Request is what a client asks to be connected with.
type Request struct {
	Host  string // a name, as the client wrote it and not checked, or an IP address
	Port  int
	Early []byte // what the client sent behind its request
}

// ErrNotConnect is a request for something else than a connection: for BIND or UDP ASSOCIATE.
var ErrNotConnect = errors.New("only CONNECT is supported")
