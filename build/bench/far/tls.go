package far

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// serverName is the name in the certificate of the TLS relay.
const serverName = "far"

// NewCertificate returns a new self-signed certificate for the TLS relay, of the same kind as the cluster's (ECDSA
// P-256). It is valid for a day.
func NewCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: serverName},
		DNSNames:     []string{serverName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Near is the near end of the TLS relay: a loopback listener whose connections are relayed over TLS.
type Near struct {
	Port int
	side Side
}

// ListenNear opens the loopback listener for the far side's TLS at address, which has that certificate (DER).
func ListenNear(address string, certificate []byte) (*Near, error) {
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	n := &Near{}
	n.Port, err = n.side.listen(nil, dialTLS(address, &tls.Config{
		RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS13, ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}))
	return n, err
}

// Run serves until ctx ends.
func (n *Near) Run(ctx context.Context) error { return n.side.Run(ctx) }

func dialTLS(address string, config *tls.Config) func(net.Conn) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialWithin}, Config: config}
	return func(conn net.Conn) {
		there, err := dialer.Dial("tcp", address)
		if err != nil {
			conn.Close()
			return
		}
		relay(conn, there)
	}
}
