package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"time"
)

// Certificates are those of a proxy and of its one client, in PEM. The key of their authority is not kept, so no further
// certificate of it can be made.
type Certificates struct {
	Authority         []byte
	Server, ServerKey []byte
	Client, ClientKey []byte
}

// Lifetime is how long Certificates are valid.
const Lifetime = 2 * 365 * 24 * time.Hour

// clockSkew is how far the clocks of a cluster may be behind this machine's.
const clockSkew = time.Hour

// NewCertificates makes the certificates for the proxy of a namespace. domain is the cluster's DNS domain, and empty for
// the usual one.
func NewCertificates(namespace, domain string) (*Certificates, error) {
	from, err := newAuthority()
	if err != nil {
		return nil, err
	}
	c := &Certificates{Authority: encode("CERTIFICATE", from.certificate.Raw)}
	server := template(Name, x509.KeyUsageDigitalSignature)
	server.ExtKeyUsage, server.DNSNames = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, hosts(namespace, domain)
	if c.Server, c.ServerKey, err = from.issue(server); err != nil {
		return nil, err
	}
	client := template("Fairlead", x509.KeyUsageDigitalSignature)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if c.Client, c.ClientKey, err = from.issue(client); err != nil {
		return nil, err
	}
	return c, nil
}

func template(name string, usage x509.KeyUsage) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: usage, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(Lifetime)}
}

// An authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	own := template("Fairlead egress authority", x509.KeyUsageCertSign)
	own.IsCA, own.BasicConstraintsValid, own.MaxPathLenZero = true, true, true
	der, err := x509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

// issue returns a signed certificate and its key.
func (a *authority) issue(template *x509.Certificate) (certificate, key []byte, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, own.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", secret), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
