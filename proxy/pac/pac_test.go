package pac_test

import (
	"bufio"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"golang.org/x/net/publicsuffix"

	"fairlead/proxy/pac"
)

// A browser runs a script as a browser does. It has none of the functions that use DNS.
type browser struct {
	find goja.Callable
	vm   *goja.Runtime
}

func run(t testing.TB, config pac.Config) browser {
	t.Helper()
	vm := goja.New()
	if _, err := vm.RunString(pac.Script(config)); err != nil {
		t.Fatalf("the script does not run: %v", err)
	}
	find, ok := goja.AssertFunction(vm.Get("FindProxyForURL"))
	if !ok {
		t.Fatal("there is no FindProxyForURL")
	}
	return browser{find, vm}
}

func (b browser) ask(t testing.TB, url, host string) string {
	t.Helper()
	result, err := b.find(goja.Undefined(), b.vm.ToValue(url), b.vm.ToValue(host))
	if err != nil {
		t.Fatalf("%q: %v", host, err)
	}
	return result.String()
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

var example = pac.Config{
	Address:    "127.0.0.1:1080",
	Namespaces: []string{"default", "dev", "team-a", "", "UPPER", "a.b", "x y", `"`, strings.Repeat("x", 64)},
	Known:      prefixes("10.96.0.0/12", "10.244.3.0/24", "192.168.7.9/32", "fd00:10:96::/112", "2001:db8::1/128", "::ffff:172.20.0.0/112", "fd12:3456:789a:8000::/49"),
}

func TestClusterNamesGoToTheProxyAndOthersDoNot(t *testing.T) {
	b := run(t, example)
	for host, cluster := range map[string]bool{
		"web": true, "WEB": true, "web.": true, "web.default": true, "web.staging": true, "web.prod": false, "web.dev": true, "Web.Dev.": true, "web.app": false,
		"web.default.svc": true, "web.default.svc.": true, "web.default.svc.cluster.local": true, "web.default.svc.example.com": true,
		"db-0.db.default.svc": true, "db-0.db.default.svc.cluster.local": true, "db-0.db.default.svc.example.com": true,
		"10-1-2-3.default.pod": true, "10-1-2-3.default.pod.cluster.local": true,
		"web.v1.default.pod": true, "a.b.c.d.svc": true, "cluster.local": true, "x..svc": true, "web.svc..": true, strings.Repeat("x", 64) + ".svc": true,
		"!.default.svc.cluster.local": true, "web.default.svc.cluster.local.example.com": true, "mycluster.local": true, "a.b.xsvc.com": false,
		"wiki.hq.corp": true, "printer.local": true, "a_b.internal": true, "xn--mnchen-3ya": true,

		"example.com": false, "www.example.com": false, "www.example.com.": false, "a.b.c.d.example.co.uk": false, "svc.example.com": false,
		"web.ck": false, "x.web.ck": false, "xn--fiqs8s.xn--fiqs8s": false, "in-addr.arpa": false, "github.io": false, "web.team-b.dev": false,
		"localhost": false, "LocalHost.": false, "a.localhost": false, "": false, ".": false, "a..b": false, ".web": false, "web..": false,
		"web.default.svc!": false, "we b": false, "web.0x7f": false, "web.12": false, "1": false, "127.1": false, "0x7f000001": false, "ｗeb": false, "\u212aube": false,
		strings.Repeat("x", 63): true, strings.Repeat("x", 64): false, strings.Repeat("x.", 126) + "x": true, strings.Repeat("x.", 127) + "x": false,

		"10.96.0.1": true, "10.111.255.255": true, "10.112.0.0": false, "10.244.3.255": true, "10.244.4.0": false, "192.168.7.9": true, "192.168.7.8": false,
		"172.20.0.1": true, "172.20.255.255": true, "172.21.0.0": false, "::ffff:172.20.1.1": true, "::ffff:ac14:101": true, "010.96.0.1": false, "10.96.0.256": false,
		"8.8.8.8": false, "127.0.0.1": false, "0.0.0.0": false,
		"fd00:10:96::1": true, "FD00:10:96::FFFF": true, "[fd00:10:96::1]": true, "fd00:10:96::1:0": false, "2001:db8::1": true, "2001:db8:0:0:0:0:0:1": true,
		"2001:db8::2": false, "fd12:3456:789a:8000::": true, "fd12:3456:789a:ffff::1": true, "fd12:3456:789a:7fff::1": false, "fd00:10:96::10.96.0.1": false,
		"::1": false, "::": false, "fe80::1%eth0": false, "1:2:3:4:5:6:7:8:9": false, "fd00:10:96:::1": false, "fd00:10:96::1::": false, ":": false, ":::": false,
	} {
		want := "DIRECT"
		if cluster {
			want = "PROXY 127.0.0.1:1080; SOCKS5 127.0.0.1:1080"
		}
		if got := b.ask(t, "http://"+host+"/", host); got != want {
			t.Errorf("%q: %s", host, got)
		}
	}
}

func TestTheRouteDependsOnWhatTheProxyNeeds(t *testing.T) {
	for _, c := range []struct {
		config           pac.Config
		forHTTP, forRest string
	}{
		{pac.Config{Address: "127.0.0.1:1"}, "PROXY 127.0.0.1:1; SOCKS5 127.0.0.1:1", "SOCKS5 127.0.0.1:1; PROXY 127.0.0.1:1"},
		{pac.Config{Address: "[::1]:1", Password: true}, "PROXY [::1]:1", "PROXY [::1]:1"},
		{pac.Config{Address: "a:1", Password: true, TLS: true}, "HTTPS a:1", "HTTPS a:1"},
	} {
		b := run(t, c.config)
		for url, want := range map[string]string{"http://web/": c.forHTTP, "HTTP://web/": c.forHTTP, "https://web/": c.forRest, "wss://web/": c.forRest, "": c.forRest} {
			if got := b.ask(t, url, "web"); got != want {
				t.Errorf("%+v, %s: %s, want %s", c.config, url, got, want)
			}
		}
	}
}

func TestScriptAsksNoDNS(t *testing.T) {
	script := pac.Script(example)
	for _, asks := range []string{"dnsResolve", "isInNet", "isResolvable", "myIpAddress", "dnsDomainIs", "isPlainHostName"} {
		if strings.Contains(script, asks) {
			t.Errorf("the script calls %s", asks)
		}
	}
}

func TestScriptStaysSmall(t *testing.T) {
	config := pac.Config{Address: "127.0.0.1:1080"}
	for i := range 20000 {
		config.Namespaces = append(config.Namespaces, "namespace-"+strconv.Itoa(i))
		config.Known = append(config.Known, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 32),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0xff, 255, 255, 255, byte(i >> 8), byte(i), 255, 255, 15: 255}), 128))
	}
	config.Known = append(config.Known, prefixes("172.16.0.0/12")...)
	script := pac.Script(config)
	if len(script) > 64<<10 {
		t.Errorf("%d bytes", len(script))
	}
	if got := run(t, config).ask(t, "https://172.16.0.1", "172.16.0.1"); got == "DIRECT" {
		t.Error("the widest range was omitted")
	}
}

func TestTopLevelLabelsAreThoseOfTheModule(t *testing.T) {
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/net").Output()
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.Open(filepath.Join(strings.TrimSpace(string(folder)), "publicsuffix", "table_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	raw, err := os.ReadFile("toplevel.txt")
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Fields(string(raw))
	if !slices.IsSorted(have) || len(have) < 1000 {
		t.Errorf("%d labels, sorted: %v", len(have), slices.IsSorted(have))
	}
	seen := 0
	for scan := bufio.NewScanner(table); scan.Scan() && scan.Text() != "}"; {
		rule, ok := strings.CutPrefix(scan.Text(), "\t\"")
		if !ok {
			continue
		}
		label := strings.TrimSuffix(rule[strings.LastIndexByte(rule, '.')+1:], "\",")
		_, itself := publicsuffix.PublicSuffix(label)
		_, below := publicsuffix.PublicSuffix("x." + label)
		if _, found := slices.BinarySearch(have, label); found != (itself || below) {
			t.Errorf("%s is public: %v, listed: %v: run go generate", label, itself || below, found)
		}
		seen++
	}
	if seen < 5000 {
		t.Errorf("only %d rules were read", seen)
	}
}

// isCluster is what a script must say, in Go.
func isCluster(config pac.Config, host string) bool {
	for i := range len(host) {
		if host[i] <= ' ' || host[i] > '~' {
			return false
		}
	}
	host = strings.ToLower(host)
	if bare, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(bare, "]") {
		host = strings.TrimSuffix(bare, "]")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return !ip.IsLoopback() && slices.ContainsFunc(config.Known, func(p netip.Prefix) bool {
			if p.Addr().Is4In6() {
				p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
			}
			return p.Contains(ip)
		})
	}
	if ends := "." + strings.TrimRight(host, "."); strings.HasSuffix(ends, ".svc") || strings.HasSuffix(ends, ".pod") || strings.HasSuffix(ends, ".cluster.local") {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	labels := strings.Split(host, ".")
	if len(host) > 253 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	n, last := len(labels), labels[len(labels)-1]
	hex, isHex := strings.CutPrefix(last, "0x")
	if last == "localhost" || strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == "" {
		return false
	}
	_, itself := publicsuffix.PublicSuffix(last)
	_, below := publicsuffix.PublicSuffix("x." + last)
	return n == 1 || n > 2 && (labels[2] == "svc" || labels[2] == "pod") || n > 3 && labels[3] == "svc" ||
		n == 2 && slices.Contains(config.Namespaces, last) || !itself && !below
}

func FuzzScriptAgreesWithGo(f *testing.F) {
	for _, host := range []string{
		"web.default", "web.dev", "example.com", "10.96.0.1", "[fd00:10:96::1]", "::ffff:10.96.0.1", "1::", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7::",
		"a.b.svc.com", "a.b.c.svc", "x..svc", "cluster.local.", ".pod.", "0x1", "localhost", "web.ck", "a.b.pod", "[::1", "00.0.0.0", "fe80::1%a",
	} {
		f.Add(host)
	}
	b := run(f, example)
	f.Fuzz(func(t *testing.T, host string) {
		if got := b.ask(t, "https://x/", host); (got != "DIRECT") != isCluster(example, host) {
			t.Errorf("%q: %s", host, got)
		}
	})
}

func FuzzScriptStaysAScript(f *testing.F) {
	f.Add("127.0.0.1:1080", "default", "10.0.0.0/8", true)
	f.Add("\"; alert(1); \"", "</script>\u2028*/", "::/0", false)
	f.Add("$TOP$ $HTTP$", "$KNOWN$", "0.0.0.0/0", false)
	f.Fuzz(func(t *testing.T, address, namespace, prefix string, password bool) {
		config := pac.Config{Address: address, Password: password, Namespaces: []string{namespace}}
		if p, err := netip.ParsePrefix(prefix); err == nil {
			config.Known = append(config.Known, p)
		}
		b := run(t, config)
		if got := b.ask(t, "https://x/", "www.example.com"); got != "DIRECT" {
			t.Errorf("example.com: %s", got)
		}
		if got := b.ask(t, "https://x/", "web"); strings.ToValidUTF8(got, "") == "DIRECT" {
			t.Errorf("web: %s", got)
		}
	})
}
