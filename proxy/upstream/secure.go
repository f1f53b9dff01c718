package upstream

import (
	"context"
	"crypto/tls"
	"net"

	"fairlead/proxy/stream"
)

// secure leads the TLS handshake with an https proxy.
func (d Dialer) secure(ctx context.Context, conn net.Conn, via Proxy) (net.Conn, error) {
	config := &tls.Config{}
	if via.TLS != nil {
		config = via.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = via.URL.Hostname()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	secured := stream.NewTLS(tls.Client(conn, config), conn)
	secured.Abrupt = d.Abrupt
	return secured, secured.HandshakeContext(ctx)
}
