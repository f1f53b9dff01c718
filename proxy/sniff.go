package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"fairlead/proxy/http1"
	"fairlead/proxy/socks"
	"fairlead/proxy/stream"
)

// language is the protocol that a client speaks, by the first byte of its connection.
type language int

const (
	speaksSOCKS4 language = iota + 1
	speaksSOCKS5
	speaksHTTP
	speaksTLS
)

// sniff waits for the client's first bytes and returns its language, inside TLS if the client begins with that. With an
// error, it may return a client as well: one that got an answer and may not have read it yet.
func (c *connection) sniff(conn net.Conn) (*stream.Peeked, language, error) {
	client, speaks, err := sniff(conn)
	switch {
	case err != nil:
		return nil, 0, err
	case c.site != nil && speaks != speaksHTTP:
		return nil, 0, errSiteLanguage
	case c.site != nil:
		return client, speaks, nil
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
		return client, 0, errors.Join(errPlaintext, sayRefused(client, speaks,
			"this proxy speaks TLS only, and wants a client certificate: use https:// in its address"))
	}
	switch {
	case c.only == HTTP1 && speaks != speaksHTTP:
		return client, 0, errors.Join(errLanguage, sayRefused(client, speaks, ""))
	case c.only == SOCKS && speaks == speaksHTTP:
		return client, 0, errors.Join(errLanguage, sayRefused(client, speaks, "this port of the proxy speaks SOCKS only: use socks5h:// in its address"))
	}
	return client, speaks, nil
}

// errLanguage is the error for a client that does not speak the only language of its listener.
var errLanguage = errors.New("the client speaks another language than this port")

// sniff waits for the first bytes of conn and recognizes the language by the first of them: 4 is SOCKS4, 5 is SOCKS5
// (RFC 1928 section 3), a letter begins an HTTP request line (RFC 9112 section 3), 22 a TLS handshake (RFC 8446 5.1).
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

// tlsHandshake is the first byte of a TLS connection: the content type of a record (RFC 8446 5.1).
const tlsHandshake byte = 22

// errPlaintext is the error for a client that did not use TLS where it is required.
var errPlaintext = errors.New("the client does not speak TLS")

// errUnwantedTLS is the error for a client that used TLS on a port without it: its user wrote https:// in the proxy's
// address.
var errUnwantedTLS = errors.New("the client speaks TLS (first byte 0x16), and this port does not: " +
	"begin the proxy's address with http:// or socks5h:// in place of https://, whatever the target is")

// beginsTLS reports whether p begins with the header of a TLS handshake record (RFC 8446 5.1), and not with garbage.
func beginsTLS(p []byte) bool {
	return len(p) > 2 && p[0] == tlsHandshake && p[1] == 3 && p[2] <= 4
}

// strictTLS returns config with what the documentation of Config.TLS promises.
func strictTLS(config *tls.Config) *tls.Config {
	strict := config.Clone()
	strict.ClientAuth = tls.RequireAndVerifyClientCert
	if strict.ClientCAs == nil {
		strict.ClientCAs = x509.NewCertPool() // nil would be every authority that the system trusts
	}
	strict.MinVersion = max(strict.MinVersion, tls.VersionTLS12)
	strict.NextProtos = []string{"http/1.1"} // RFC 7301; a client that offers none is fine
	strict.GetConfigForClient = nil          // it could return a config that requires less
	return strict
}

// handshakeTLS is bounded by the deadline of its connection.
func (c *connection) handshakeTLS(client *stream.Peeked) (net.Conn, error) {
	tally := c.place.Tally(client)
	secured := stream.NewTLS(tls.Server(tally, c.config.TLS), client)
	if err := secured.Handshake(); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	tally.Done()
	return secured, nil
}

// sayRefused answers a client in its language that it cannot be served; text is the reason, for HTTP. A request that a
// web page may have made a browser send gets no answer.
func sayRefused(client *stream.Peeked, speaks language, text string) error {
	_, target, _ := strings.Cut(string(client.Early()), " ")
	target = strings.TrimLeft(target, " ")
	if speaks == speaksHTTP && (target == "" || http1.IsOriginForm(target)) {
		return nil
	}
	switch speaks {
	case speaksSOCKS4:
		return socks.Reply4(client, socks.Rejected4)
	case speaksSOCKS5:
		return socks.RefuseMethods5(client)
	}
	return connectDialect{}.refuse(client, Answer{
		Status: 400, ProxyStatus: "http_request_denied",
		Text: text,
	})
}
