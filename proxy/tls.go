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

// tlsHandshake is the first byte of a TLS connection: the content type of a record (RFC 8446 5.1).
const tlsHandshake byte = 22

// errPlaintext is a client that spoke without TLS where it is required.
var errPlaintext = errors.New("the client does not speak TLS")

// errUnwantedTLS is a client that spoke TLS to a port that does not: its user wrote https:// in the proxy's address.
var errUnwantedTLS = errors.New("the client speaks TLS (first byte 0x16), and this port does not: " +
	"begin the proxy's address with http:// or socks5h:// in place of https://, whatever the target is")

// beginsTLS reports whether p begins with the header of a TLS handshake record (RFC 8446 5.1), and not with garbage.
func beginsTLS(p []byte) bool {
	return len(p) > 2 && p[0] == tlsHandshake && p[1] == 3 && p[2] <= 4
}

// strictTLS is config made to do what Config.TLS promises.
func strictTLS(config *tls.Config) *tls.Config {
	strict := config.Clone()
	strict.ClientAuth = tls.RequireAndVerifyClientCert
	if strict.ClientCAs == nil {
		strict.ClientCAs = x509.NewCertPool() // nil would be every authority that the system trusts
	}
	strict.MinVersion = max(strict.MinVersion, tls.VersionTLS12)
	strict.NextProtos = []string{"http/1.1"} // RFC 7301; a client that offers none is fine
	strict.GetConfigForClient = nil          // it could give a config that asks for less
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

// sayPlaintext tells a client in its language that it cannot be served without TLS. What a web page may have made a
// browser send is not answered.
func sayPlaintext(client *stream.Peeked, speaks language) error {
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
		Text: "this proxy speaks TLS only, and wants a client certificate: use https:// in its address",
	})
}
