package inside

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"fairlead/app/gateway"
	"fairlead/proxy"
	"fairlead/proxy/hostport"
	"fairlead/proxy/nameserver"
	"fairlead/proxy/virtual"
)

// A source answers the program's questions about names, and finds the targets of its connections. Every name that exists
// gets an address of the table, so that a connection to the address is one to the name.
type source struct {
	gateway     *gateway.Gateway
	table       *virtual.Table
	ipv6        bool
	onlyCluster bool
}

// errNoSuchAddress is the error for an address of the range that stands for no name.
var errNoSuchAddress = errors.New("no name has this address")

// target returns the target of a captured connection.
func (s *source) target(conn net.Conn) (proxy.Target, error) {
	to := conn.LocalAddr().(*net.TCPAddr).AddrPort() // as package capture makes it
	if name, ok := s.name(to.Addr()); ok {
		return hostport.New(name, int(to.Port()))
	}
	if s.table.Contains(to.Addr()) {
		return proxy.Target{}, errNoSuchAddress
	}
	return hostport.New(to.Addr().String(), int(to.Port()))
}

// name returns the name that an address of the range stands for, and false if it stands for none.
func (s *source) name(address netip.Addr) (string, bool) {
	if v4, v6 := s.table.At(hostNumber); address == v4 || address == v6 {
		return gateway.HostName, true
	}
	return s.table.Name(address)
}

// Addresses implements nameserver.Source.
func (s *source) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	if isLocal(name) {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	if err := s.Other(ctx, name); err != nil {
		return nil, err
	}
	v4, v6 := s.table.At(hostNumber)
	if name != gateway.HostName {
		v4, v6 = s.table.Addresses(name)
	}
	if !s.ipv6 {
		return []netip.Addr{v4}, nil
	}
	return []netip.Addr{v4, v6}, nil
}

// isLocal reports whether a name is the program's own loopback (RFC 6761).
func isLocal(name string) bool { return name == "localhost" || strings.HasSuffix(name, ".localhost") }

// Other implements nameserver.Source.
func (s *source) Other(ctx context.Context, name string) error {
	if isLocal(name) || name == gateway.HostName {
		return nil
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return nameserver.ErrNoName
	}
	if _, err := hostport.New(name, 1); err != nil {
		return nameserver.ErrNoName
	}
	place, err := s.gateway.Find(ctx, name)
	switch {
	case err != nil:
		return nil // the connection fails, and says why
	case !place.InCluster && s.onlyCluster:
		return nameserver.ErrRefused
	case !place.Exists:
		return nameserver.ErrNoName
	}
	return nil
}

// Services implements nameserver.Source.
func (s *source) Services(ctx context.Context, name string) ([]nameserver.Service, error) {
	service, host, ok := strings.Cut(name, "._tcp.")
	if port, isService := strings.CutPrefix(service, "_"); ok && isService && port != "" {
		instances, inCluster, err := s.gateway.Instances(ctx, host, port)
		if inCluster {
			var found []nameserver.Service
			for _, i := range instances {
				found = append(found, nameserver.Service(i))
			}
			if err == nil && len(found) == 0 {
				err = nameserver.ErrNoName
			}
			return found, err
		}
	}
	if s.onlyCluster {
		return nil, nameserver.ErrRefused
	}
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name+".")
	var found []nameserver.Service
	for _, r := range records {
		found = append(found, nameserver.Service{Host: strings.TrimSuffix(r.Target, "."), Port: r.Port})
	}
	return found, missing(err)
}

// missing returns ErrNoName for an error that says that a name does not exist.
func missing(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return nameserver.ErrNoName
	}
	return err
}

// Names implements nameserver.Source.
func (s *source) Names(ctx context.Context, address netip.Addr) ([]string, error) {
	name, known := s.name(address)
	switch {
	case known:
		return []string{name}, nil
	case address.IsLoopback():
		return []string{"localhost"}, nil
	case s.table.Contains(address), address.IsPrivate(), !address.IsGlobalUnicast():
		return nil, nameserver.ErrNoName // other networks have such addresses too, and DNS servers outside have no names for these
	case s.onlyCluster:
		return nil, nameserver.ErrRefused
	}
	found, err := net.DefaultResolver.LookupAddr(ctx, address.String())
	for i := range found {
		found[i] = strings.TrimSuffix(found[i], ".")
	}
	return found, missing(err)
}
