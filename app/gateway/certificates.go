package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"fairlead/app/ownfile"
	"fairlead/app/settings"
)

// maxCertificate bounds the size of each certificate file, in bytes.
const maxCertificate = 4 << 20

// ListenerTLS returns the TLS configuration of a listener, from its certificate files.
func ListenerTLS(files settings.TLS) (*tls.Config, error) {
	cert, err := ownfile.ReadAny(files.Cert, maxCertificate)
	if err != nil {
		return nil, fmt.Errorf("the listener's certificate: %w", err)
	}
	key, err := ownfile.ReadAny(files.Key, maxCertificate)
	if err != nil {
		return nil, fmt.Errorf("the listener's certificate: %w", err)
	}
	own, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("the listener's certificate: %w", err)
	}
	pem, err := ownfile.ReadAny(files.ClientCA, maxCertificate)
	if err != nil {
		return nil, fmt.Errorf("the authority of the clients' certificates: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the authority of the clients' certificates: %s has no certificate", files.ClientCA)
	}
	return &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}, nil
}
