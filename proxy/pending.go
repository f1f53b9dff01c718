package proxy

import (
	"io"
	"net"

	"fairlead/proxy/socks"
)

// A Pending is a connection whose client waits, in its connect, until it is known what becomes of its target. ServeTarget
// answers such a client, unlike others.
type Pending interface {
	net.Conn
	// Accept lets the client's connect succeed. It returns an error if the client has left.
	Accept() error
	// Refuse lets the client's connect fail: as its target's refusal if refused is set, or else because the target cannot
	// be reached.
	Refuse(refused bool)
}

// pendingDialect answers the client of a Pending.
type pendingDialect struct{ conn Pending }

func (d pendingDialect) accept(io.Writer) error { return d.conn.Accept() }

// refuse returns an error, because the client reads nothing more.
func (d pendingDialect) refuse(_ io.Writer, a Answer) error {
	d.conn.Refuse(a.SOCKS5 == socks.Refused5)
	return net.ErrClosed
}
