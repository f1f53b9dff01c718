package pki

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"slices"
	"testing"
)

func TestCertificateIsTrustedUnderItsAuthorityAlone(t *testing.T) {
	authority, err := NewAuthority("ca")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority("ca")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue(Subject{
		CommonName: "alice", Groups: []string{"dev"}, Names: []string{"localhost"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(issued.CertPEM, issued.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	leaf := pair.Leaf
	if leaf.Subject.CommonName != "alice" || !slices.Equal(leaf.Subject.Organization, []string{"dev"}) || leaf.IsCA {
		t.Errorf("subject %v, CA %v", leaf.Subject, leaf.IsCA)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		for _, name := range []string{"localhost", "127.0.0.1"} {
			options := x509.VerifyOptions{Roots: authority.Pool(), DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}}
			if _, err := leaf.Verify(options); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: other.Pool()}); err == nil {
		t.Error("the certificate is trusted under another authority of the same name")
	}
}

func TestSigningKeyIsAPair(t *testing.T) {
	private, public, err := SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(private)
	parsedPrivate, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := parsedPrivate.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("private key: %T", parsedPrivate)
	}
	block, _ = pem.Decode(public)
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(parsed) {
		t.Error("the public key does not belong to the private key")
	}
}
