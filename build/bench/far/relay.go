package far

import (
	"io"
	"net"
	"sync"
	"time"
)

const dialWithin = 10 * time.Second

// halfCloser is implemented by *net.TCPConn and *tls.Conn.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// relayTo returns a handler that relays each connection to address, and passes on half-closes.
func relayTo(address string) func(net.Conn) {
	return func(conn net.Conn) {
		there, err := net.DialTimeout("tcp", address, dialWithin)
		if err != nil {
			conn.Close()
			return
		}
		relay(conn, there)
	}
}

// relay copies in both directions until both have ended, and closes both connections. If one fails the other ends.
func relay(a, b net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() { copyThenFinish(a, b) })
	copyThenFinish(b, a)
	wg.Wait()
	a.Close()
	b.Close()
}

func copyThenFinish(to, from net.Conn) {
	// The kernel splices two TCP connections; TLS is copied with io.Copy's 32 KiB buffer, as in most relays.
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	if half, ok := to.(halfCloser); ok && half.CloseWrite() == nil {
		return
	}
	to.Close()
}
