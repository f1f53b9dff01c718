// Package hostport is the grammar of what clients ask for and what fixed local ports lead to: a host and a port.
package hostport

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of a host name: RFC 1035 3.1, with the dot that may end it.
const (
	maxName  = 254
	maxLabel = 63
)

// A Target is what a client asked to be connected with. Host is a name as the client wrote it, never resolved, or an IP
// address in its canonical form, without brackets; an IPv4 address mapped into IPv6 is an IPv4 address.
//
// The target of a listener may have a port by its name, such as "https", which its Dialer resolves. Port is then 0.
type Target struct {
	Host     string
	Port     uint16
	PortName string
}

// String returns the target as net.JoinHostPort writes it.
func (t Target) String() string {
	if t.PortName != "" {
		return net.JoinHostPort(t.Host, t.PortName)
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Checked returns the target as New and ParseNamed make one.
func (t Target) Checked() (Target, error) {
	if t.PortName != "" {
		return ParseNamed(t.String())
	}
	return New(t.Host, int(t.Port))
}

// New checks a host and a port that came from a client. A host is an IP address without a zone, in brackets or
// not, or a name of letters, digits, hyphens and underscores in labels of at most 63 bytes, 254 in all. The error is a
// *net.AddrError.
func New(host string, port int) (Target, error) {
	if port < 1 || port > 65535 {
		return Target{}, &net.AddrError{Err: "port out of range", Addr: strconv.Itoa(port)}
	}
	literal := host
	if bare, ok := strings.CutPrefix(host, "["); ok {
		if literal, ok = strings.CutSuffix(bare, "]"); !ok || !strings.Contains(literal, ":") {
			return Target{}, malformed("host", host)
		}
	}
	if ip, err := netip.ParseAddr(literal); err == nil {
		if ip.Zone() != "" {
			return Target{}, malformed("host", host)
		}
		return Target{Host: ip.Unmap().String(), Port: uint16(port)}, nil
	}
	if !validName(host) {
		return Target{}, malformed("host", host)
	}
	return Target{Host: host, Port: uint16(port)}, nil
}

// Parse reads "host:port" as it stands in an HTTP request, with an IPv6 address in brackets (RFC 3986 3.2). The
// port must be there. The error is a *net.AddrError.
func Parse(address string) (Target, error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return Target{}, malformed("address", address)
	}
	// SplitHostPort takes brackets off names too, and a name never has them.
	if strings.HasPrefix(address, "[") != strings.Contains(host, ":") {
		return Target{}, malformed("address", address)
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return Target{}, malformed("port", digits)
	}
	return New(host, int(port))
}

// ParseNamed is like Parse, for an address in the user's settings: its port may also be a name.
func ParseNamed(address string) (Target, error) {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || !validPortName(address[colon+1:]) {
		return Parse(address)
	}
	target, err := Parse(address[:colon] + ":1")
	target.Port, target.PortName = 0, address[colon+1:]
	return target, err
}

// IsPort reports whether text is the number or the name of a port.
func IsPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0 || validPortName(text)
}

// validPortName reports whether text can be the name of a port: 1 to 15 letters, digits and single hyphens, with a
// letter among them (RFC 6335 5.1).
func validPortName(text string) bool {
	if len(text) == 0 || len(text) > 15 || strings.Contains("-"+text+"-", "--") {
		return false
	}
	letter := false
	for i := range len(text) {
		if !nameByte(text[i]) || text[i] == '_' {
			return false
		}
		letter = letter || text[i] > '9'
	}
	return letter
}

func validName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) >= maxName {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return false
		}
		for i := range len(label) {
			if !nameByte(label[i]) {
				return false
			}
		}
	}
	return true
}

func nameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

// malformed quotes what the client sent, shortened: it is hostile until checked, and it ends in logs.
func malformed(part, text string) error {
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	return &net.AddrError{Err: "malformed " + part, Addr: strconv.QuoteToASCII(text)}
}
