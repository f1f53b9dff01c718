package direct

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"fairlead/proxy"
	"fairlead/proxy/peer"
)

// A Policy refuses targets that clients must not reach through a proxy: this machine itself, link-local and multicast
// addresses, and the metadata services of clouds. It checks the address that is finally dialled, so that a public name
// with such an address is refused too. A name for a forward proxy is resolved by that proxy, so only the name is
// checked. If that proxy is on this machine, and could reach local addresses, the addresses that the name has on this
// machine are checked as well. A refusal is a *proxy.RouteError. The zero value is ready to use.
type Policy struct {
	// Allow reports whether an address is allowed that would be refused otherwise. It may be nil.
	Allow func(netip.AddrPort) bool
	// Unresolved allows names for a forward proxy on this machine that have no address here and so cannot be checked.
	// If it is false, a refusal contains Remedy.
	Unresolved bool
	Remedy     string
	// LookupTimeout bounds the lookup of a name for a forward proxy on this machine; 0 leaves that to the system.
	LookupTimeout time.Duration
	// Resolver resolves names; nil means net.DefaultResolver.
	Resolver *net.Resolver
}

// Check returns an error if an address, which target resolved to, must not be dialled.
func (p Policy) Check(target string, to netip.AddrPort) error {
	reason := refusedAddress(to.Addr())
	if reason == "" || p.Allow != nil && p.Allow(to) {
		return nil
	}
	return refuse(target, to.Addr().String()+" is "+reason)
}

// check is Check for an address as text.
func (p Policy) check(target, resolved string) error {
	to, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	return p.Check(target, to)
}

// CheckThrough returns an error if the forward proxy via must not be asked for address.
func (p Policy) CheckThrough(ctx context.Context, via *url.URL, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return p.check(address, address)
	}
	if reason := refusedName(host); reason != "" {
		return refuse(address, host+" is "+reason)
	}
	if !p.isHere(ctx, via) {
		return nil
	}
	return p.checkResolved(ctx, via, host, address)
}

// checkElsewhere returns an error if a forward proxy inside a cluster must not be asked for address: for a loopback or
// link-local address there, or a cloud's metadata service. This machine's own addresses may belong to another host
// there.
func (p Policy) checkElsewhere(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		reason := refusedAddress(ip)
		to, err := netip.ParseAddrPort(address)
		if reason == "" || reason == ownAddress || err == nil && p.Allow != nil && p.Allow(to) {
			return nil
		}
		return refuse(address, ip.String()+" is "+reason)
	}
	if reason := refusedName(host); reason != "" && reason != ownAddress {
		return refuse(address, host+" is "+reason)
	}
	return nil
}

// checkResolved is CheckThrough for a name, by the addresses that it has on this machine.
func (p Policy) checkResolved(ctx context.Context, via *url.URL, host, address string) error {
	_, port, _ := net.SplitHostPort(address)
	if p.LookupTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.LookupTimeout)
		defer cancel()
	}
	ips, err := p.lookup(ctx, host)
	for _, ip := range ips {
		if err := p.check(address, net.JoinHostPort(ip.String(), port)); err != nil {
			return err
		}
	}
	if p.Unresolved || len(ips) > 0 {
		return nil
	}
	reason := fmt.Sprintf("%s has no address here (%s), and may lead back here through %s", host, plainReason(err), via.Host)
	if p.Remedy != "" {
		reason += ": " + p.Remedy
	}
	return refuse(address, reason)
}

// refuse returns the refusal of address. For a web page, all refusals have the same text. Otherwise a page could give
// its own name one address after another, and learn which of them belong to this machine.
func refuse(address, reason string) error {
	return &proxy.RouteError{Target: address, Rule: "direct", Reason: reason, Secret: true}
}

// isHere reports whether a forward proxy is on this machine. A proxy whose name cannot be resolved cannot be reached
// either.
func (p Policy) isHere(ctx context.Context, via *url.URL) bool {
	ips, err := p.lookup(ctx, via.Hostname())
	return err == nil && slices.ContainsFunc(ips, func(ip netip.Addr) bool {
		ip = ip.Unmap().WithZone("")
		return ip.IsLoopback() || ip.IsUnspecified() || peer.IsOwnAddress(ip)
	})
}

// lookup returns the addresses of host, which may be an address itself.
func (p Policy) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	resolver := p.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return resolver.LookupNetIP(ctx, "ip", host)
}

// ownAddress is the reason for refusing this machine's own names and addresses.
const ownAddress = "this machine's own"

// refusedName returns why a name that is resolved elsewhere is refused, or "".
func refusedName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	last := name[strings.LastIndexByte(name, '.')+1:]
	own, _ := os.Hostname() // without a name there is none to refuse
	switch {
	case last == "localhost", strings.HasPrefix(name, "localhost."), name == "localhost6", name == "ip6-localhost", name == "ip6-loopback":
		return "this machine's loopback"
	case own != "" && name == strings.ToLower(own):
		return ownAddress
	case name == "metadata", name == "metadata.google.internal", name == "metadata.goog", name == "instance-data",
		name == "metadata.azure.internal", name == "metadata.tencentyun.com", name == "metadata.platformequinix.com",
		name == "api.metadata.cloud.ibm.com",
		strings.HasPrefix(name, "instance-data.") && strings.HasSuffix(name, ".internal"):
		return "a cloud's metadata service"
	case strings.Trim(last, "0123456789") == "", strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "":
		return "no name, but may be read as an address" // WHATWG URL, "ends in a number"
	}
	return ""
}

// refusedAddress returns why an address is refused, or "".
func refusedAddress(ip netip.Addr) string {
	whole := ip.Unmap().WithZone("")
	ip = embeddedIPv4(whole)
	switch {
	case isMetadata(ip):
		return "a cloud's metadata service"
	case ip.IsLoopback():
		return "this machine's loopback"
	case ip.IsUnspecified(), ip.Is4() && ip.As4()[0] == 0:
		return "no address of a host"
	case ip.IsLinkLocalUnicast():
		return "link-local"
	case ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "multicast or broadcast"
	case peer.IsOwnAddress(ip), ip != whole && peer.IsOwnAddress(whole):
		return ownAddress
	}
	return ""
}

// embeddedIPv4 returns the IPv4 address to which an IPv6 address may lead: through NAT64 (RFC 6052, and RFC 8215 with
// the address last), 6to4 (RFC 3056), or as an IPv4-compatible address (RFC 4291 2.5.5.1). It returns other addresses
// unchanged.
func embeddedIPv4(ip netip.Addr) netip.Addr {
	if !ip.Is6() {
		return ip
	}
	b := ip.As16()
	switch {
	case ip == netip.IPv6Loopback(), ip == netip.IPv6Unspecified():
		return ip
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:]))
	case nat64.Contains(ip), localNAT64.Contains(ip), ipv4Compatible.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

var (
	nat64          = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64     = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour      = netip.MustParsePrefix("2002::/16")
	ipv4Compatible = netip.MustParsePrefix("::/96")
)

// awsServices has the metadata service, the credentials of EKS Pods, DNS and NTP of AWS over IPv6.
var awsServices = netip.MustParsePrefix("fd00:ec2::/32")

// isMetadata reports whether ip is that of a metadata service; nearly all have 169.254.169.254.
func isMetadata(ip netip.Addr) bool {
	switch ip.String() {
	case "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", // AWS, Google, Azure and others; Alibaba, Azure, Oracle
		"fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", // Google, Oracle, Scaleway
		"fd00:a9fe:a9fe::1", "fd00:100::100:200": // Akamai, Alibaba
		return true
	}
	return awsServices.Contains(ip)
}
