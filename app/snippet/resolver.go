package snippet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Nameserver describes the nameserver of a context, for a resolver of this machine that sends it the cluster's names.
type Nameserver struct {
	Address netip.AddrPort
	Domain  string // the cluster's, such as "cluster.local"
}

type resolver struct {
	id      string
	aliases []string
	write   func(Nameserver) Snippet
}

var resolvers = []resolver{
	{"resolved", []string{"systemd-resolved"}, resolved},
	{"dnsmasq", nil, dnsmasq},
	{"macos", nil, macOS},
	{"networkmanager", []string{"nm"}, networkManager},
}

// ResolverKinds returns the IDs of the resolvers that MakeResolver knows.
func ResolverKinds() []string {
	var ids []string
	for _, r := range resolvers {
		ids = append(ids, r.id)
	}
	return ids
}

// IsResolver reports whether a kind is one of MakeResolver.
func IsResolver(kind string) bool {
	_, ok := findResolver(kind)
	return ok
}

func findResolver(kind string) (resolver, bool) {
	kind = strings.ToLower(kind)
	at := slices.IndexFunc(resolvers, func(r resolver) bool { return kind == r.id || slices.Contains(r.aliases, kind) })
	if at < 0 {
		return resolver{}, false
	}
	return resolvers[at], true
}

// MakeResolver returns what makes a resolver send the names of the cluster's domain, and no others, to a nameserver. The
// kind is one of ResolverKinds or another usual name, in any case. The error is an *UnknownKind, or says what is wrong with
// the nameserver.
func MakeResolver(kind string, n Nameserver) (Snippet, error) {
	r, ok := findResolver(kind)
	switch {
	case !ok:
		return Snippet{}, &UnknownKind{ID: kind}
	case !n.Address.IsValid():
		return Snippet{}, errors.New("the nameserver has no address")
	case strings.Trim(n.Domain, ".-") != n.Domain || n.Domain == "" || strings.ContainsFunc(n.Domain, notInDomain):
		return Snippet{}, fmt.Errorf("%q cannot be a domain", n.Domain)
	}
	return r.write(n), nil
}

// notInDomain reports whether a character cannot be in a domain. The others have no meaning in a shell, and separate nothing
// in the name of a file or in the settings of a resolver.
func notInDomain(c rune) bool {
	return !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.')
}

// file returns the name of a settings file. Its domain is in the name, since two files for one domain contradict each other.
func (n Nameserver) file() string { return "fairlead-" + n.Domain + ".conf" }

// resolved gives the domain a network interface of its own. Servers in resolved.conf are asked for all names, whatever
// domains are set with them, and a real interface's are those of its network. The interface needs an address, without
// which resolved does not use it: one of RFC 5737, which no network has.
func resolved(n Nameserver) Snippet {
	link := fmt.Sprintf("fairlead%d", n.Address.Port()) // at most the kernel's 15 characters
	return Snippet{
		Text: strings.Join([]string{
			"sudo ip link add " + link + " type dummy",
			"sudo ip address add 192.0.2.53/32 dev " + link,
			"sudo ip link set " + link + " up",
			"sudo resolvectl dns " + link + " " + quotePOSIX(n.Address.String()),
			"sudo resolvectl domain " + link + " " + quotePOSIX("~"+n.Domain),
			"sudo resolvectl default-route " + link + " no",
			"sudo resolvectl dnssec " + link + " no",
			"sudo resolvectl dnsovertls " + link + " no",
		}, "\n") + "\n",
		Note: "For systemd 246 and later. It lasts until this machine restarts, or until: sudo ip link delete " + link,
	}
}

func dnsmasq(n Nameserver) Snippet {
	return Snippet{n.dnsmasqLines(), "Save it as /etc/dnsmasq.d/" + n.file() + ", then: sudo systemctl restart dnsmasq"}
}

func networkManager(n Nameserver) Snippet {
	return Snippet{n.dnsmasqLines(), "For NetworkManager with dns=dnsmasq. Save it as /etc/NetworkManager/dnsmasq.d/" + n.file() +
		", then: sudo nmcli general reload dns-full"}
}

// dnsmasqLines returns lines of dnsmasq's configuration. The second one lets private addresses through to machines whose
// dnsmasq otherwise drops them from answers (stop-dns-rebind).
func (n Nameserver) dnsmasqLines() string {
	return fmt.Sprintf("server=/%s/%s#%d\nrebind-domain-ok=/%s/\n", n.Domain, n.Address.Addr(), n.Address.Port(), n.Domain)
}

func macOS(n Nameserver) Snippet {
	return Snippet{
		fmt.Sprintf("nameserver %s\nport %d\n", n.Address.Addr(), n.Address.Port()),
		"Save it as /etc/resolver/" + n.Domain + " (sudo mkdir -p /etc/resolver). The file's name is the domain.",
	}
}
