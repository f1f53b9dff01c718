package proxy

import (
	"net"
	"net/netip"
	"time"
)

const (
	// departedFirst is when a client that has ended its direction is looked at again, and departedLast the longest pause
	// between two looks.
	departedFirst = 20 * time.Millisecond
	departedLast  = 2 * time.Second
)

// departed says that the program at the other end has closed its connection, and not only ended its direction, where that
// can be told: a FIN looks the same for both, but of its own programs the kernel knows. False is no answer.
func departed(client net.Conn) bool {
	from, to := addrPort(client.RemoteAddr()), addrPort(client.LocalAddr())
	// Others than loopback's may be behind a translation of addresses, or on another machine.
	if !from.Addr().Unmap().IsLoopback() || !to.Addr().Unmap().IsLoopback() {
		return false
	}
	return orphaned(from, to)
}

func addrPort(addr net.Addr) netip.AddrPort {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}

// awaitDeparture ends the relay when the client has left altogether that has ended its direction. The mutex is held.
func (r *relay) awaitDeparture(after time.Duration) {
	r.departure = time.AfterFunc(after, func() {
		gone := departed(r.client)
		r.mutex.Lock()
		defer r.mutex.Unlock()
		switch {
		case r.closed || r.ended == 2:
		case gone:
			r.depart()
		default:
			r.awaitDeparture(min(2*after, departedLast))
		}
	})
}

// depart ends a relay whose client is gone: nobody takes what the target may still send, and what it was sent it gets, and
// an orderly end. The mutex is held.
func (r *relay) depart() {
	r.closed = true
	_ = r.target.Close() // both are
	_ = r.client.Close() // given up
}
