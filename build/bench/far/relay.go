package far

import (
	"io"
	"net"
	"sync"
	"time"
)

const dialWithin = 10 * time.Second

// halfCloser is what *net.TCPConn and *tls.Conn have in common.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// relayTo joins each connection with one to address, and passes on half-closes.
func relayTo(address string) func(net.Conn) {
	return func(conn net.Conn) {
		there, err := net.DialTimeout("tcp", address, dialWithin)
		if err != nil {
			conn.Close()
			return
		}
		join(conn, there)
	}
}

// join copies both ways until both have ended, and closes both. One that fails ends the other.
func join(a, b net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() { copyThenFinish(a, b) })
	copyThenFinish(b, a)
	wg.Wait()
	a.Close()
	b.Close()
}

func copyThenFinish(to, from net.Conn) {
	// Two TCP connections are spliced by the kernel; TLS is copied with io.Copy's own 32 KiB, as most relays do.
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
