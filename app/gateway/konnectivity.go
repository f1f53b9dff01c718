package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/rs/zerolog"

	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/kube/konnectivity"
	"fairlead/proxy"
	"fairlead/proxy/direct"
	"fairlead/proxy/hostport"
)

// konnectivityRule is the name of the route to hosts outside through a Konnectivity server.
const konnectivityRule = "konnectivity"

// clusterDNS is the DNS server of a cluster.
const clusterDNS = "kube-dns.kube-system.svc:53"

// CheckKonnectivity returns why the files of a Konnectivity server cannot be used.
func CheckKonnectivity(k settings.Konnectivity) error {
	_, err := konnectivityTLS(&clientCertificates{}, k)
	return err
}

// Carrier returns the carrier of a context whose connections a Konnectivity server makes, or nil for other contexts. It reads
// the server's files, so that what is wrong with them is known at the start.
func Carrier(c settings.Context, log zerolog.Logger) (*konnectivity.Carrier, error) {
	if c.Carrier != settings.KonnectivityCarrier {
		return nil, nil
	}
	return newKonnectivity(c.Konnectivity, log)
}

// OpenCluster opens a context's cluster, whose connections are the carrier's unless it is nil. outside then leads out of this
// cluster.
func OpenCluster(config kube.Config, carrier *konnectivity.Carrier, c settings.Context, outside *Outside) (*kube.Cluster, error) {
	if carrier != nil {
		config.Carrier = carrier
	}
	cluster, err := kube.Open(config)
	if err != nil {
		return nil, err
	}
	if carrier != nil {
		outside.useKonnectivity(newBeyond(carrier, cluster, c.Konnectivity))
	}
	outside.Use(cluster)
	return cluster, nil
}

// newKonnectivity returns the carrier of a context whose connections a Konnectivity server makes. It reads its files, so that what
// is wrong with them is known at the start.
func newKonnectivity(k settings.Konnectivity, log zerolog.Logger) (*konnectivity.Carrier, error) {
	server, err := url.Parse(k.Server)
	if err != nil {
		return nil, errors.New("the URL of the Konnectivity server cannot be read")
	}
	certificates := &clientCertificates{}
	read := func() (*tls.Config, error) { return konnectivityTLS(certificates, k) }
	if _, err := read(); err != nil {
		return nil, err
	}
	return konnectivity.New(konnectivity.Config{Server: server, TLS: read, Mode: konnectivity.Mode(k.Mode), Log: log})
}

// konnectivityTLS returns the TLS configuration of connections to a Konnectivity server.
func konnectivityTLS(certificates *clientCertificates, k settings.Konnectivity) (*tls.Config, error) {
	config, err := certificates.config(clientFiles{k.CA, k.Cert, k.Key})
	if err != nil {
		return nil, fmt.Errorf("the Konnectivity server: %w", err)
	}
	return config, nil
}

// Ready returns why the Konnectivity server of a gateway cannot be used. Without one a gateway is ready when it listens.
func (p *Gateway) Ready(ctx context.Context) error {
	p.mutex.Lock()
	carrier := p.current.carrier
	p.mutex.Unlock()
	if carrier == nil {
		return nil
	}
	return carrier.Check(ctx)
}

// beyond is the route to hosts outside a cluster, which its agents connect to. Names are looked up by the cluster's DNS.
type beyond struct {
	carrier *konnectivity.Carrier
	names   *konnectivity.Resolver // nil if names are refused
	server  string                 // the DNS server; empty if names are refused
	policy  direct.Policy
}

// newBeyond returns the route to hosts outside of a context. cluster dials the DNS server.
func newBeyond(carrier *konnectivity.Carrier, cluster proxy.Dialer, k settings.Konnectivity) *beyond {
	b := &beyond{carrier: carrier}
	if k.DNS == settings.NoDNS {
		return b
	}
	server := k.DNS
	if server == "" || server == settings.ClusterDNS {
		server = clusterDNS
	}
	b.server = server
	b.names = &konnectivity.Resolver{Dial: func(ctx context.Context) (net.Conn, error) {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			return nil, err
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return carrier.DialAddress(ctx, server)
		}
		return cluster.DialContext(ctx, "tcp", server)
	}}
	return b
}

// DialContext connects to the first address of a host that the agents can reach.
func (b *beyond) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := b.lookup(ctx, address, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range addresses {
		at, wrong := netip.ParseAddrPort(net.JoinHostPort(ip.String(), port))
		if wrong == nil {
			wrong = b.policy.Check(address, at)
		}
		if wrong != nil {
			err = cmp.Or(err, wrong)
			continue
		}
		conn, failed := b.carrier.DialAddress(ctx, at.String())
		if failed == nil || ctx.Err() != nil {
			return conn, failed
		}
		err = failed
	}
	return nil, err
}

// lookup returns the addresses of a host.
func (b *beyond) lookup(ctx context.Context, address, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if b.names == nil {
		return nil, &proxy.RouteError{
			Target: address, Rule: konnectivityRule,
			Reason: "this context looks no names up outside its cluster (dns: false of konnectivity in the settings, or --dns=false)",
		}
	}
	return b.names.Lookup(ctx, host)
}

// isPublic reports whether the cluster's DNS knows a name.
func (b *beyond) isPublic(ctx context.Context, host string) (bool, error) {
	if b.names == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	_, err := b.names.Lookup(ctx, host)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false, nil
	}
	return err == nil, err
}

// describe looks up the name of a host outside, and returns its addresses and who knows them, in words.
func (b *beyond) describe(ctx context.Context, address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	asked := host
	if b.server != "" {
		asked = fmt.Sprintf("%s, asked of %s", host, b.server)
	}
	addresses, err := b.lookup(ctx, address, host)
	if err != nil {
		return asked, err
	}
	texts := make([]string, len(addresses))
	for i, ip := range addresses {
		texts[i] = ip.String()
	}
	return fmt.Sprintf("%s: %s", asked, strings.Join(texts, ", ")), nil
}

// Walked returns how a diagnosis reaches hosts outside.
func (o *Outside) Walked() kube.Outside {
	carried := func(address string) bool {
		target, err := hostport.Parse(address)
		if err != nil {
			return false
		}
		_, ok := o.find(target.Host, target.Port).dialer.(throughKonnectivity)
		return ok
	}
	lookup := func(ctx context.Context, address string) (string, error) {
		b := o.beyond.Load()
		if b == nil {
			return "", net.ErrClosed
		}
		return b.describe(ctx, address)
	}
	return kube.Outside{Dial: o.DialContext, Carried: carried, Lookup: lookup}
}

// throughKonnectivity is the direct route of a context with a Konnectivity server: it begins in the cluster, not on this machine.
type throughKonnectivity struct{ outside *Outside }

// useKonnectivity sets what throughKonnectivity leads to.
func (o *Outside) useKonnectivity(b *beyond) { o.beyond.Store(b) }

// DialContext connects to a host outside.
func (t throughKonnectivity) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	b := t.outside.beyond.Load()
	if b == nil {
		return nil, net.ErrClosed
	}
	return b.DialContext(ctx, network, address)
}

// isPublic reports whether the cluster's DNS knows a name.
func (t throughKonnectivity) isPublic(ctx context.Context, host string) (bool, error) {
	b := t.outside.beyond.Load()
	if b == nil {
		return false, net.ErrClosed
	}
	return b.isPublic(ctx, host)
}
