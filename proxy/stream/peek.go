package stream

import (
	"bufio"
	"cmp"
	"io"
	"net"
)

// peekSize is how many bytes Peek reads at most.
const peekSize = 1 << 10

// Peeked is a connection whose first bytes were read already and are read again.
type Peeked struct {
	net.Conn
	early []byte
}

// Peek waits for the first bytes of conn.
func Peek(conn net.Conn) (*Peeked, error) {
	first := make([]byte, peekSize)
	n, err := conn.Read(first)
	if n == 0 {
		return nil, cmp.Or(err, io.ErrNoProgress)
	}
	return &Peeked{Conn: conn, early: first[:n]}, nil
}

// Unread returns conn such that the bytes that r has buffered from it are read again.
func Unread(conn net.Conn, r *bufio.Reader) net.Conn {
	early, _ := r.Peek(r.Buffered()) // only what is buffered
	if len(early) == 0 {
		return conn
	}
	return &Peeked{Conn: conn, early: early}
}

// Early returns the bytes that were read ahead and have not been read again. The caller must not modify them.
func (p *Peeked) Early() []byte { return p.early }

// Read returns the early bytes first.
func (p *Peeked) Read(b []byte) (int, error) {
	if len(p.early) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.early)
	if p.early = p.early[n:]; len(p.early) == 0 {
		p.early = nil
	}
	return n, nil
}

// ReadWaiter implements the method that the function ReadWaiter looks for.
func (p *Peeked) ReadWaiter() func() {
	wait := ReadWaiter(p.Conn)
	if wait == nil {
		return nil
	}
	return func() {
		if len(p.early) == 0 {
			wait()
		}
	}
}

// CloseWrite ends the direction towards the peer.
func (p *Peeked) CloseWrite() error { return CloseWrite(p.Conn) }

// SetLinger sets SO_LINGER if the connection is TCP. Reset needs it.
func (p *Peeked) SetLinger(seconds int) error { return SetLinger(p.Conn, seconds) }
