package pac_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"fairlead/proxy/pac"
)

func TestRoutesOfTheProxyAreTheScripts(t *testing.T) {
	config := example
	config.Routes = []pac.Route{
		{Name: "public.corp.com", Direct: true},
		{Name: "*.corp.com"},
		{Name: "db-?.other.com", Port: 5432},
		{Prefix: netip.MustParsePrefix("203.0.113.0/25"), Direct: true},
		{Prefix: netip.MustParsePrefix("203.0.113.0/24")},
		{Prefix: netip.MustParsePrefix("2001:db8:7::/48"), Port: 8443},
	}
	const through = "SOCKS5 127.0.0.1:1080; PROXY 127.0.0.1:1080"
	for _, others := range []bool{false, true} {
		config.Others = others
		b := run(t, config)
		rest := "DIRECT"
		if others {
			rest = through
		}
		for url, want := range map[string]string{
			"https://a.corp.com/": through, "https://A.Corp.Com./": through, "https://corp.com/": rest,
			"https://a.corp.com.org/": rest, "https://axcorp.com.com/": rest, "https://public.corp.com/": "DIRECT",
			"https://db-1.other.com:5432/": through, "https://u:5432@db-1.other.com/": rest, "https://db-12.other.com:5432/": rest,
			"https://db-1.other.com/": rest, "https://203.0.113.9/": "DIRECT", "https://203.0.113.200/": through, "https://203.0.114.9/": rest,
			"https://[2001:db8:7::1]:8443/": through, "https://[2001:db8:7::1]/": rest, "wss://a.corp.com/": through,
			"https://web.default.svc/": through, "https://www.example.com/": rest,
			"https://localhost/": "DIRECT", "https://x.localhost/": "DIRECT", "https://127.0.0.1/": "DIRECT", "https://[::1]/": "DIRECT",
		} {
			host := strings.TrimPrefix(strings.TrimPrefix(url, "https://"), "wss://")
			host = host[strings.LastIndexByte(host, '@')+1 : len(host)-1]
			if at := strings.LastIndexByte(host, ':'); at > strings.LastIndexByte(host, ']') {
				host = host[:at]
			}
			if got := b.ask(t, url, host); got != want {
				t.Errorf("others %t, %s: %s, want %s", others, url, got, want)
			}
		}
	}
}

// More routes than fit must not send directly what one of them is for.
func TestTooManyRoutesLeaveTheChoiceToTheProxy(t *testing.T) {
	config := pac.Config{Address: "127.0.0.1:1"}
	for i := range 5000 {
		config.Routes = append(config.Routes, pac.Route{Name: fmt.Sprintf("host-%d.corp.com", i)})
	}
	if size := len(pac.Script(config)); size > 64<<10 {
		t.Errorf("the script has %d bytes", size)
	}
	if got := run(t, config).ask(t, "https://host-4999.corp.com/", "host-4999.corp.com"); got == "DIRECT" {
		t.Error(got)
	}
}
