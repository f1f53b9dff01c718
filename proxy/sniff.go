package proxy

import (
	"errors"
	"fmt"
	"net"

	"fairlead/proxy/socks"
	"fairlead/proxy/stream"
)

// language is what the first byte of a connection says its client speaks.
type language int

const (
	speaksSOCKS4 language = iota + 1
	speaksSOCKS5
	speaksHTTP
	speaksTLS
)

// sniff waits for the client's first bytes and tells its language, inside TLS where the client begins with that. With an
// error there may be a client all the same, which has been told something and has not read it yet.
func (c *connection) sniff(conn net.Conn) (*stream.Peeked, language, error) {
	client, speaks, err := sniff(conn)
	switch {
	case err != nil:
		return nil, 0, err
	case speaks == speaksTLS && c.config.TLS != nil:
		secured, err := c.handshakeTLS(client)
		if err != nil {
			return nil, 0, err
		}
		if client, speaks, err = sniff(secured); err != nil {
			return nil, 0, err
		}
		if speaks == speaksTLS {
			return nil, 0, errFirstByte(tlsHandshake)
		}
	case speaks == speaksTLS && beginsTLS(client.Early()):
		return nil, 0, errUnwantedTLS
	case speaks == speaksTLS:
		return nil, 0, errFirstByte(tlsHandshake)
	case c.config.RequireTLS:
		return client, 0, errors.Join(errPlaintext, sayPlaintext(client, speaks))
	}
	return client, speaks, nil
}

// sniff waits for the first bytes of conn and tells the language by the first of them: 4 is SOCKS4, 5 is SOCKS5 (RFC
// 1928 section 3), a letter begins an HTTP request line (RFC 9112 section 3), 22 a TLS handshake (RFC 8446 5.1).
func sniff(conn net.Conn) (*stream.Peeked, language, error) {
	client, err := stream.Peek(conn)
	if err != nil {
		return nil, 0, fmt.Errorf("wait for the first byte: %w", err)
	}
	switch b := client.Early()[0]; {
	case b == socks.Version4:
		return client, speaksSOCKS4, nil
	case b == socks.Version5:
		return client, speaksSOCKS5, nil
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z':
		return client, speaksHTTP, nil
	case b == tlsHandshake:
		return client, speaksTLS, nil
	default:
		return nil, 0, errFirstByte(b)
	}
}

func errFirstByte(b byte) error {
	return fmt.Errorf("first byte %#02x begins no language of this proxy", b)
}
