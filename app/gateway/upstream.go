package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

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
			if via.TLS, err = g.certificates.config(clientFiles{u.CA, u.Cert, u.Key}); err != nil {
				return nil, fmt.Errorf("its upstream %s cannot be used: %w", u.Name, err)
			}
			via.TLS.ServerName = u.ServerName
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

// isClusterFault reports whether an error is a fault on the way into a cluster, and not one of its target.
func isClusterFault(err error) bool {
	return errors.As(err, new(*fault.Unreachable)) || errors.As(err, new(*fault.Login)) || errors.As(err, new(*fault.Blocked)) ||
		errors.As(err, new(*fault.Node)) || fault.OfMachine(err) != nil
}

// WrongUpstream returns what is wrong with a file that an upstream of the settings names: the part ca, cert or key.
func WrongUpstream(u settings.Upstream, part string) error {
	var err error
	switch part {
	case "ca":
		_, err = authorities(u.CA)
	case "cert":
		_, err = readCertificate(u.Cert)
	case "key":
		if _, wrong := readCertificate(u.Cert); wrong == nil { // otherwise the error is about cert
			_, err = clientCertificate(u.Cert, u.Key)
		}
	}
	if err != nil {
		return fmt.Errorf("upstream %s: %w", u.Name, err)
	}
	return nil
}
