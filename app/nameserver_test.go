package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// answered asks a nameserver, and returns the answer in one line: the code, and the records, sorted.
func answered(t *testing.T, network, server, name string, kind uint16) (string, *dns.Msg) {
	t.Helper()
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(1232, false)
	client := &dns.Client{Net: network, Timeout: 20 * time.Second}
	a, _, err := client.ExchangeContext(t.Context(), q, server)
	if err != nil {
		t.Errorf("%s %s in %s: %v", dns.TypeToString[kind], name, network, err)
		return "", new(dns.Msg)
	}
	var records []string
	for _, r := range a.Answer {
		records = append(records, strings.Join(strings.Fields(r.String()), " "))
	}
	slices.Sort(records)
	return strings.Join(append([]string{dns.RcodeToString[a.Rcode]}, records...), "; "), a
}

// A program that looks names up itself gets their real addresses, and reaches these through the proxy.
func TestResolversGetTheClustersNames(t *testing.T) {
	_, at := serveForwards(t, `{dns: %s, proxies: [{listen: %s, protocol: socks}]}`)
	hello := strings.TrimSpace(kubectl(t, "get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}"))
	db := strings.Fields(kubectl(t, "get", "endpointslices", "-l", "kubernetes.io/service-name=db", "-o", "jsonpath={.items[*].endpoints[*].addresses[*]}"))
	for i, address := range db {
		db[i] = "; db.default.svc.cluster.local. 5 IN A " + address
	}
	slices.Sort(db)
	reverse, err := dns.ReverseAddr(hello)
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		for _, c := range []struct {
			name string
			kind uint16
			want string
		}{
			{"hello.default.svc.cluster.local", dns.TypeA, "NOERROR; hello.default.svc.cluster.local. 5 IN A " + hello},
			{"hElLo.DEFAULT.svc.cluster.local", dns.TypeA, "NOERROR; hElLo.DEFAULT.svc.cluster.local. 5 IN A " + hello},
			{"hello.default.svc.cluster.local", dns.TypeAAAA, "NOERROR"},
			{"hello.default.svc.cluster.local", dns.TypeTXT, "NOERROR"},
			{"none.default.svc.cluster.local", dns.TypeA, "NXDOMAIN"},
			{"_http._tcp.hello.default.svc.cluster.local", dns.TypeSRV, "NOERROR; _http._tcp.hello.default.svc.cluster.local. 5 IN SRV 0 100 80 hello.default.svc.cluster.local."},
			{"db.default.svc.cluster.local", dns.TypeA, "NOERROR" + strings.Join(db, "")},
			{reverse, dns.TypePTR, "NOERROR; " + reverse + " 5 IN PTR hello.default.svc.cluster.local."},
			{"www.example.com", dns.TypeA, "REFUSED"},
			{"hello.default.svc", dns.TypeA, "REFUSED"},
			{"4.4.8.8.in-addr.arpa", dns.TypePTR, "REFUSED"},
		} {
			got, a := answered(t, network, at[0], c.name, c.kind)
			if got != c.want {
				t.Errorf("%s %s in %s: %s, want %s", dns.TypeToString[c.kind], c.name, network, got, c.want)
			}
			denied := len(a.Answer) == 0 && !strings.HasPrefix(c.want, "REFUSED")
			if soa := len(a.Ns) == 1 && a.Ns[0].Header().Name == "cluster.local."; soa != denied {
				t.Errorf("%s %s in %s: the authority is %v", dns.TypeToString[c.kind], c.name, network, a.Ns)
			}
		}
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, at[0])
	}}
	found, err := resolver.LookupNetIP(t.Context(), "ip4", "hello.default.svc.cluster.local.")
	if err != nil || !slices.Equal(found, []netip.Addr{netip.MustParseAddr(hello)}) {
		t.Fatalf("Go's resolver finds %v, %v", found, err)
	}
	if body := run(t, "", "curl", "-sS", "--noproxy", "none.example", "--socks5", at[1], "http://"+found[0].String()+"/"); !strings.Contains(body, "hello") {
		t.Errorf("the address answers %q", body)
	}
}
