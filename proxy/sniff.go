package proxy

import (
	"fmt"
	"net"
)

// language is what the first byte of a connection says its client speaks.
type language int

const (
	speaksSOCKS4 language = iota + 1
	speaksSOCKS5
	speaksHTTP
)

// sniffed is a connection whose first bytes were read already and are read again.
type sniffed struct {
	net.Conn
	early []byte
}

// sniff waits for the client's first bytes and tells its language by the first of them: 4 is SOCKS4, 5 is SOCKS5
// (RFC 1928 section 3), a letter begins an HTTP request line (RFC 9112 section 3).
func sniff(conn net.Conn) (*sniffed, language, error) {
	first := make([]byte, 1024)
	n, err := conn.Read(first)
	if n == 0 {
		return nil, 0, fmt.Errorf("wait for the first byte: %w", err)
	}
	client := &sniffed{Conn: conn, early: first[:n]}
	switch b := first[0]; {
	case b == socks4Version:
		return client, speaksSOCKS4, nil
	case b == 5:
		return client, speaksSOCKS5, nil
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z':
		return client, speaksHTTP, nil
	default:
		return nil, 0, fmt.Errorf("first byte %#02x is neither SOCKS nor HTTP", b)
	}
}

// Read gives the early bytes first.
func (s *sniffed) Read(p []byte) (int, error) {
	if len(s.early) == 0 {
		return s.Conn.Read(p)
	}
	n := copy(p, s.early)
	if s.early = s.early[n:]; len(s.early) == 0 {
		s.early = nil
	}
	return n, nil
}

// CloseWrite ends the direction towards the client.
func (s *sniffed) CloseWrite() error { return closeWrite(s.Conn) }

// SetLinger is TCP's, where the connection has it: a reset is made with it.
func (s *sniffed) SetLinger(seconds int) error { return setLinger(s.Conn, seconds) }
