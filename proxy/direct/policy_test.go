package direct_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"testing"

	"fairlead/proxy"
	"fairlead/proxy/direct"
)

func TestDirectRefusesWhatIsNotTheClientsToReach(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:80", "127.8.9.10:80", "[::1]:80", "0.0.0.0:80", "0.1.2.3:80", "[::]:80", "169.254.169.254:80", "169.254.1.1:80", "[fe80::1]:80",
		"[fe80::1%lo]:80", "224.0.0.1:80", "[ff02::1]:80", "255.255.255.255:80", "[fd00:ec2::254]:80", "[fd20:ce::254]:80", "100.100.100.200:80",
		"[::ffff:127.0.0.1]:80", "[64:ff9b::7f00:1]:80", "[64:ff9b::a9fe:a9fe]:80",
		"[fd00:ec2::23]:80", "[fd00:ec2::253]:53", "[fd00:c1::a9fe:a9fe]:80", "[fd00:42::42]:80", "[fd00:a9fe:a9fe::1]:80", "[fd00:100::100:200]:80",
		"[64:ff9b:1::7f00:1]:80", "[2002:7f00:1::1]:80", "[2002:a9fe:a9fe::]:80", "[::127.0.0.1]:80",
	} {
		conn, err := direct.Dialer{}.DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		var refused *proxy.RouteError
		if !errors.As(err, &refused) || refused.Reason == "" || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A page that gives its own name one address after another must not read which of them is this machine's.
func TestAPageReadsNothingOfARefusedAddress(t *testing.T) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"localhost", "127.0.0.1", "169.254.169.254", "169.254.1.1", "224.0.0.1", "0.0.0.0"}
	for _, addr := range addrs {
		if prefix := netip.MustParsePrefix(addr.String()); prefix.Addr().Is4() {
			hosts = append(hosts, prefix.Addr().String())
		}
	}
	for _, host := range hosts {
		address := net.JoinHostPort(host, "80")
		_, err := direct.Dialer{}.DialContext(t.Context(), "tcp", address)
		refused, ok := errors.AsType[*proxy.RouteError](err)
		if want := address + " is not reachable through this proxy"; !ok || refused.PublicText() != want || refused.Error() == want {
			t.Errorf("%s: %v; want %s in public and more in private", address, err, want)
		}
	}
	here := direct.Dialer{Upstream: func(*url.URL) (*url.URL, error) { return &url.URL{Scheme: "http", Host: "127.0.0.1:3128"}, nil }}
	for _, address := range []string{"metadata:80", "localhost:80", "127.0.0.1:80", "nobody.invalid:80"} {
		_, err := here.DialContext(t.Context(), "tcp", address)
		refused, ok := errors.AsType[*proxy.RouteError](err)
		if want := address + " is not reachable through this proxy"; !ok || refused.PublicText() != want || refused.Error() == want {
			t.Errorf("%s by a forward proxy: %v; want %s in public and more in private", address, err, want)
		}
	}
}

func TestDirectJudgesTheAddressBehindAName(t *testing.T) {
	_, err := direct.Dialer{}.DialContext(t.Context(), "tcp", "localhost:80")
	var refused *proxy.RouteError
	if !errors.As(err, &refused) || refused.Target != "localhost:80" {
		t.Errorf("localhost: %v", err)
	}
}

// The policy holds whatever dials.
func TestAPolicyNeedsNoDial(t *testing.T) {
	allowed := netip.MustParseAddrPort("127.0.0.1:8080")
	policy := direct.Policy{Allow: func(to netip.AddrPort) bool { return to == allowed }}
	for address, want := range map[string]bool{"127.0.0.1:8080": true, "127.0.0.1:8081": false, "192.0.2.1:80": true, "[::ffff:169.254.169.254]:80": false} {
		err := policy.Check("a.example:80", netip.MustParseAddrPort(address))
		refused, ok := errors.AsType[*proxy.RouteError](err)
		if ok == want || ok && (refused.Target != "a.example:80" || !errors.Is(err, fs.ErrPermission)) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
