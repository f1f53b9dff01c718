package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"fairlead/app/ownfile"
)

// clientFiles are the certificate files of connections to a server: its authority's, and a client certificate with its key.
// Those with empty names are not used.
type clientFiles struct{ ca, cert, key string }

// clientCertificates has the TLS configurations of connections to servers, and reads their files again when they change.
// The zero value has none. Its methods may be called by several goroutines.
type clientCertificates struct {
	mutex sync.Mutex
	made  map[clientFiles]madeTLS // when the files last fitted
}

type madeTLS struct {
	config *tls.Config
	stamps string // of the files as they were read
}

// config returns a TLS configuration from the files as they are now, which is the caller's. While they cannot be used,
// because one of them is being replaced, it is the last one. A certificate that has expired is not used any more.
func (c *clientCertificates) config(files clientFiles) (*tls.Config, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	last, stamps := c.made[files], FileStamps(files.ca, files.cert, files.key)
	if last.config != nil && last.stamps == stamps && !last.expired() {
		return last.config.Clone(), nil
	}
	config, err := clientTLS(files)
	switch {
	case err == nil:
		if c.made == nil {
			c.made = map[clientFiles]madeTLS{}
		}
		c.made[files] = madeTLS{config, stamps}
		return config.Clone(), nil
	case last.config != nil && !last.expired() && !errors.As(err, new(*expiredError)):
		return last.config.Clone(), nil
	}
	return nil, err
}

// expired reports whether the client certificate has expired.
func (m madeTLS) expired() bool {
	return len(m.config.Certificates) > 0 && time.Now().After(m.config.Certificates[0].Leaf.NotAfter)
}

// clientTLS returns the TLS configuration of connections to a server, from certificate files.
func clientTLS(files clientFiles) (*tls.Config, error) {
	config := &tls.Config{}
	var err error
	if files.ca != "" {
		if config.RootCAs, err = authorities(files.ca); err != nil {
			return nil, err
		}
	}
	if files.cert != "" {
		own, err := clientCertificate(files.cert, files.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// An expiredError is the error for a client certificate that has expired.
type expiredError struct {
	file  string
	until time.Time
}

func (e *expiredError) Error() string {
	return fmt.Sprintf("the client certificate: %s expired at %s", e.file, e.until.Local().Format(time.DateTime))
}

// authorities returns the certificates in a file.
func authorities(file string) (*x509.CertPool, error) {
	text, err := ownfile.ReadAny(file, maxCertificate)
	if err != nil {
		return nil, fmt.Errorf("the authority of its certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the authority of its certificate: %s has no certificate in PEM", file)
	}
	return pool, nil
}

// readCertificate returns what is in a certificate file. It returns an error if the first certificate cannot be used.
func readCertificate(file string) ([]byte, error) {
	text, err := ownfile.ReadAny(file, maxCertificate)
	if err != nil {
		return nil, fmt.Errorf("the client certificate: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		own, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the client certificate: %s cannot be read: %w", file, err)
		}
		if now := time.Now(); now.After(own.NotAfter) {
			return nil, &expiredError{file, own.NotAfter}
		} else if now.Before(own.NotBefore) {
			return nil, fmt.Errorf("the client certificate: %s is not valid before %s", file, own.NotBefore.Local().Format(time.DateTime))
		}
		return text, nil
	}
	return nil, fmt.Errorf("the client certificate: %s has no certificate in PEM", file)
}

// clientCertificate returns a certificate with its key.
func clientCertificate(cert, key string) (tls.Certificate, error) {
	chain, err := readCertificate(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	text, err := ownfile.ReadAny(key, maxCertificate)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the key of the client certificate: %w", err)
	}
	if isEncrypted(text) {
		return tls.Certificate{}, fmt.Errorf("the key of the client certificate: %s is encrypted, and Fairlead asks for no passphrase: openssl pkey -in FILE -out FILE decrypts it", key)
	}
	own, err := tls.X509KeyPair(chain, text)
	switch {
	case err != nil && strings.Contains(err.Error(), "does not match"):
		return own, fmt.Errorf("the key of the client certificate: %s does not fit %s", key, cert)
	case err != nil:
		return own, fmt.Errorf("the key of the client certificate: %s: %w", key, err)
	}
	return own, nil
}

// isEncrypted reports whether the first key in PEM is encrypted.
func isEncrypted(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if strings.Contains(block.Type, "KEY") {
			return strings.Contains(block.Type, "ENCRYPTED") || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
		}
	}
	return false
}
