package hostport_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"fairlead/proxy/hostport"
)

func TestTargetKeepsNamesAndCanonicalizesAddresses(t *testing.T) {
	long := strings.Repeat("a", 63)
	for address, want := range map[string]string{
		"hello.default.svc.cluster.local:80": "hello.default.svc.cluster.local:80",
		"Hello.Default:8080":                 "Hello.Default:8080",
		"hello.:80":                          "hello.:80",
		"_sip._tcp.example:5060":             "_sip._tcp.example:5060",
		"10.0.0.1:1":                         "10.0.0.1:1",
		"[2001:DB8::0:1]:65535":              "[2001:db8::1]:65535",
		"[::ffff:10.0.0.1]:80":               "10.0.0.1:80",
		long + ":80":                         long + ":80",
		strings.Repeat("ab.", 84) + "a:80":   strings.Repeat("ab.", 84) + "a:80",
	} {
		if got, err := hostport.Parse(address); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", address, got, err)
		}
	}
}

func TestMalformedTargetsAreRefused(t *testing.T) {
	for _, address := range []string{
		"", ":80", "x", "x:", "x:0", "x:65536", "x:-1", "x:+80", "x:8 0", "x:http", "a b:80", "a\x00b:80", "a\r\nb:80", "é:80", ".:80", "..:80", ".x:80",
		"x..y:80", "x:80:90", "::1:80", "[x]:80", "[10.0.0.1]:80", "[fe80::1%eth0]:80", "[::1:80", "x/y:80", "user@x:80", "x%41:80", "*:80",
		strings.Repeat("a", 64) + ":80", strings.Repeat("ab.", 85) + "ab:80",
	} {
		if got, err := hostport.Parse(address); err == nil {
			t.Errorf("%q is taken for %v", address, got)
		} else if strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%q: raw bytes in the error %q", address, err)
		}
	}
}

// What the user's settings name may have a port by its name; what a client names never has.
func TestAListenersTargetMayNameItsPort(t *testing.T) {
	for address, want := range map[string]hostport.Target{
		"db.prod:postgres":     {Host: "db.prod", PortName: "postgres"},
		"db.prod:5432":         {Host: "db.prod", Port: 5432},
		"[fd00::1]:https":      {Host: "fd00::1", PortName: "https"},
		"web:a-very-long-nam":  {Host: "web", PortName: "a-very-long-nam"},
		"web:a-very-long-name": {}, "web:": {}, "web:-x": {}, "web:a--b": {}, "web:0": {}, "web:a_b": {}, ":http": {}, "http": {}, "a b:http": {}, "[x]:http": {},
	} {
		got, err := hostport.ParseNamed(address)
		if want == (hostport.Target{}) {
			if err == nil {
				t.Errorf("%s is taken for %v", address, got)
			}
		} else if err != nil || got != want || got.String() != address {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
}

func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"a:1", "[::1]:80", "[::ffff:1.2.3.4]:5", "a.b.:65535", "[x]:1", "::1", "a\x00:3", "1.2.3.4.:9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		to, err := hostport.Parse(address)
		if err != nil {
			return
		}
		if to.Port == 0 || to.Host == "" || len(to.Host) > 254 || strings.ContainsAny(to.Host, " \x00\r\n/@%[]") {
			t.Errorf("%q became %+v", address, to)
		}
		if again, err := hostport.Parse(to.String()); err != nil || again != to {
			t.Errorf("%q became %v, and that %v, %v", address, to, again, err)
		}
		host, _, err := net.SplitHostPort(to.String())
		if ip, notIP := netip.ParseAddr(host); err != nil || notIP == nil && ip.Is4In6() {
			t.Errorf("%q became %v", address, to)
		}
	})
}
