package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"fairlead/app/ownfile"
	"fairlead/app/settings"
	"fairlead/kube/fault"
	"fairlead/proxy"
	"fairlead/proxy/direct"
	"fairlead/proxy/upstream"
)

// upstreamLookup bounds how long a name for an upstream on this machine is looked up, to judge its addresses.
const upstreamLookup = time.Second

// through returns the Dialer of an upstream.
func (g *Gateways) through(o *Outside, c settings.Context, name string) (proxy.Dialer, error) {
	chain, problem := c.Chain(name)
	if problem != "" {
		return nil, fmt.Errorf("its upstream %s cannot be used: %s", name, problem)
	}
	// A name that is unknown here may be known to the upstream.
	t := direct.Through{Own: g.isOwn, Policy: direct.Policy{Unresolved: true, LookupTimeout: upstreamLookup}}
	for _, u := range chain {
		via := upstream.Proxy{URL: u.URL, Name: u.Name, Secure: u.Secure()}
		if via.Secure {
			var err error
			if via.TLS, err = g.certificates.of(u); err != nil {
				return nil, fmt.Errorf("its upstream %s cannot be used: %w", u.Name, err)
			}
		}
		t.Chain = append(t.Chain, via)
	}
	if chain[0].InCluster {
		t.Cluster, t.OfCluster = o.dialCluster, isClusterFault
	}
	return t, nil
}

// inCluster marks the context of a dial to an upstream in the cluster.
type inCluster struct{}

// dialCluster connects to an upstream in the cluster.
func (o *Outside) dialCluster(ctx context.Context, network, address string) (net.Conn, error) {
	cluster := o.cluster.Load()
	if cluster == nil {
		return nil, net.ErrClosed
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	found, err := cluster.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	return found.DialContext(context.WithValue(ctx, inCluster{}, true), network, address)
}

// isClusterFault reports whether an error is a fault of the way into a cluster, and not one of what it leads to.
func isClusterFault(err error) bool {
	return errors.As(err, new(*fault.Unreachable)) || errors.As(err, new(*fault.Login)) || errors.As(err, new(*fault.Blocked)) ||
		errors.As(err, new(*fault.Node)) || fault.OfMachine(err) != nil
}

// A certificates remembers the TLS configurations of upstreams, each made from its files when they last fitted.
type certificates struct {
	mutex sync.Mutex
	last  map[string]*tls.Config // by what names the files
}

// of returns the TLS configuration of the connections to an upstream. While its files cannot be used, because one of them
// is being replaced, it is the last one. A certificate that has expired is not used any more.
func (c *certificates) of(u settings.Upstream) (*tls.Config, error) {
	key := fmt.Sprintf("%q %q %q %q", u.CA, u.Cert, u.Key, u.ServerName)
	made, err := clientTLS(u.CA, u.Cert, u.Key)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err == nil {
		made.ServerName = u.ServerName
		if c.last == nil {
			c.last = map[string]*tls.Config{}
		}
		c.last[key] = made
		return made, nil
	}
	if last := c.last[key]; last != nil && !errors.As(err, new(*expiredError)) {
		return last, nil
	}
	return nil, err
}

// clientTLS returns the TLS configuration of connections to a server, from certificate files. Those with empty names are not
// used.
func clientTLS(ca, cert, key string) (*tls.Config, error) {
	config := &tls.Config{}
	var err error
	if ca != "" {
		if config.RootCAs, err = authorities(ca); err != nil {
			return nil, err
		}
	}
	if cert != "" {
		own, err := clientCertificate(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// An expiredError is a client certificate that is valid no more.
type expiredError struct {
	file  string
	until time.Time
}

func (e *expiredError) Error() string {
	return fmt.Sprintf("the client certificate: %s expired at %s", e.file, e.until.Local().Format(time.DateTime))
}

// WrongUpstream returns what is wrong with a file that an upstream of the settings names: the part ca, cert or key.
func WrongUpstream(u settings.Upstream, part string) error {
	var err error
	switch part {
	case "ca":
		_, err = authorities(u.CA)
	case "cert":
		err = checkCertificate(u.Cert)
	case "key":
		if u.Cert != "" && checkCertificate(u.Cert) == nil { // otherwise that is said of cert
			_, err = clientCertificate(u.Cert, u.Key)
		}
	}
	if err != nil {
		return fmt.Errorf("upstream %s: %w", u.Name, err)
	}
	return nil
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

// checkCertificate returns why the first certificate in a file cannot be used, or nil.
func checkCertificate(file string) error {
	text, err := ownfile.ReadAny(file, maxCertificate)
	if err != nil {
		return fmt.Errorf("the client certificate: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		own, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("the client certificate: %s cannot be read: %w", file, err)
		}
		if now := time.Now(); now.After(own.NotAfter) {
			return &expiredError{file, own.NotAfter}
		} else if now.Before(own.NotBefore) {
			return fmt.Errorf("the client certificate: %s is not valid before %s", file, own.NotBefore.Local().Format(time.DateTime))
		}
		return nil
	}
	return fmt.Errorf("the client certificate: %s has no certificate in PEM", file)
}

// clientCertificate returns a certificate with its key.
func clientCertificate(cert, key string) (tls.Certificate, error) {
	if err := checkCertificate(cert); err != nil {
		return tls.Certificate{}, err
	}
	text, err := ownfile.ReadAny(key, maxCertificate)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the key of the client certificate: %w", err)
	}
	if isEncrypted(text) {
		return tls.Certificate{}, fmt.Errorf("the key of the client certificate: %s is encrypted, and Fairlead asks for no passphrase: openssl pkey -in FILE -out FILE decrypts it", key)
	}
	chain, err := ownfile.ReadAny(cert, maxCertificate)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the client certificate: %w", err)
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
