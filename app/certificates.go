package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"fairlead/app/ownfile"
	"fairlead/app/settings"
)

// maxCertificate bounds the files of a listener's certificates, in bytes.
const maxCertificate = 4 << 20

// listenerTLS reads the certificates of a listener.
func listenerTLS(files settings.TLS) (*tls.Config, error) {
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
		return nil, fmt.Errorf("who signs the clients' certificates: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("who signs the clients' certificates: %s has no certificate", files.ClientCA)
	}
	return &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}, nil
}

// listenerFiles are those that the listeners' certificates are in.
func (p *program) listenerFiles() []string {
	var files []string
	for _, c := range p.kubeconfig.Load().Contexts {
		if t := p.settings.Effective(c.Name).TLS; t != nil {
			files = append(files, t.Cert, t.Key, t.ClientCA)
		}
	}
	return files
}

// dates differ when one of the files may be another.
func dates(files ...string) string {
	var b strings.Builder
	for _, file := range files {
		if info, err := os.Stat(file); err != nil {
			fmt.Fprintf(&b, "%q none ", file)
		} else {
			fmt.Fprintf(&b, "%q %d %d ", file, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
