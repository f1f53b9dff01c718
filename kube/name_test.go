package kube

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNamesMeanWhatTheClusterMeans(t *testing.T) {
	service := func(service, namespace string) name {
		return name{meaning: serviceName, service: service, namespace: namespace}
	}
	doubtful := func(service, namespace string) name {
		return name{meaning: serviceName, service: service, namespace: namespace, doubtful: true}
	}
	member := func(pod, service, namespace string) name {
		return name{meaning: memberName, pod: pod, service: service, namespace: namespace}
	}
	maybeMember := func(pod, service, namespace string) name {
		n := member(pod, service, namespace)
		n.doubtful = true
		return n
	}
	address := func(s string) name { return name{meaning: clusterAddress, address: netip.MustParseAddr(s)} }
	long := strings.Repeat("a", 63)
	for host, want := range map[string]name{
		"web":                               service("web", "team"),
		"web.":                              service("web", "team"),
		"WEB":                               service("web", "team"),
		"my-web-2":                          service("my-web-2", "team"),
		long:                                service(long, "team"),
		"web.billing":                       service("web", "billing"),
		"Web.Billing.":                      service("web", "billing"),
		"web.default":                       service("web", "default"),
		"web.kube-system":                   service("web", "kube-system"),
		"web.billing.svc":                   service("web", "billing"),
		"web.billing.SVC":                   service("web", "billing"),
		"web.billing.svc.cluster.local":     service("web", "billing"),
		"WEB.billing.svc.Cluster.Local.":    service("web", "billing"),
		"web.billing.svc.k8s.example.com":   service("web", "billing"),
		"web.com.svc":                       service("web", "com"),
		"db-0.db.billing.svc":               {meaning: memberName, pod: "db-0", service: "db", namespace: "billing"},
		"db-0.db.billing.svc.any.where":     {meaning: memberName, pod: "db-0", service: "db", namespace: "billing"},
		"10.1.2.3":                          address("10.1.2.3"),
		"172.16.0.1":                        address("172.16.0.1"),
		"192.168.255.254":                   address("192.168.255.254"),
		"100.64.0.1":                        address("100.64.0.1"),
		"::ffff:10.1.2.3":                   address("10.1.2.3"),
		"fd00::1":                           address("fd00::1"),
		"FD00:0:0::0:1":                     address("fd00::1"),
		"10-1-2-3.billing.pod":              {meaning: clusterAddress, address: netip.MustParseAddr("10.1.2.3"), namespace: "billing"},
		"8.8.8.8":                           address("8.8.8.8"),
		"100.128.0.1":                       address("100.128.0.1"),
		"2001:db8::1":                       address("2001:db8::1"),
		"8-8-8-8.billing.pod":               {meaning: clusterAddress, address: netip.MustParseAddr("8.8.8.8"), namespace: "billing"},
		"db-0.db.billing.svc.":              member("db-0", "db", "billing"),
		"db-0.db.billing":                   maybeMember("db-0", "db", "billing"),
		"DB-0.db.Billing.":                  maybeMember("db-0", "db", "billing"),
		"svc.cluster.local":                 maybeMember("svc", "cluster", "local"),
		"a.b.c":                             maybeMember("a", "b", "c"),
		"web.billing.pod":                   {meaning: podName, pod: "web", namespace: "billing"},
		"Web-7d9f.Billing.POD.":             {meaning: podName, pod: "web-7d9f", namespace: "billing"},
		"web.dev.pod":                       {meaning: podName, pod: "web", namespace: "dev"},
		"10-1-2.billing.pod":                {meaning: podName, pod: "10-1-2", namespace: "billing"},
		"10-1-2-300.billing.pod":            {meaning: podName, pod: "10-1-2-300", namespace: "billing"},
		"fd00--1.billing.pod.cluster.local": {meaning: clusterAddress, address: netip.MustParseAddr("fd00::1"), namespace: "billing"},

		"":                              {},
		".":                             {},
		"..":                            {},
		"web..":                         {},
		".web":                          {},
		"web..billing":                  {},
		"localhost":                     {},
		"LOCALHOST.":                    {},
		"web.localhost":                 {},
		"web.dev":                       doubtful("web", "dev"),
		"Web.Prod.":                     doubtful("web", "prod"),
		"example.com":                   doubtful("example", "com"),
		"www.example.com":               {},
		"www.example.com.":              {},
		"www.example.dev":               {},
		"db-0.db.prod":                  {},
		"a.github.io":                   {},
		"web.billing.pod.cluster.local": {},
		"web.billing.pod.example.com":   {},
		"127-0-0-1.billing.pod":         {},
		"169-254-169-254.billing.pod":   {},
		"a.b.c.pod":                     {},
		"255.255.255.255":               {},
		"0.1.2.3":                       {},
		"::ffff:169.254.169.254":        {},
		"ff02::1":                       {},
		"github.io":                     doubtful("github", "io"),
		"web.ck":                        doubtful("web", "ck"),
		"web.billing.cluster.local":     {},
		"a.b.c.d.svc":                   {},
		"1.2.3.4.pod":                   {},
		"127.0.0.1":                     {},
		"127.1":                         {},
		"10.1":                          {},
		"0x7f000001":                    {},
		"web.0x10":                      {},
		"2130706433":                    {},
		"010.1.2.3":                     {},
		"0.0.0.0":                       {},
		"169.254.169.254":               {},
		"224.0.0.1":                     {},
		"::1":                           {},
		"::":                            {},
		"fe80::1":                       {},
		"fd00::1%eth0":                  {},
		"[fd00::1]":                     {},
		"::ffff:127.0.0.1":              {},
		"-web":                          {},
		"web-":                          {},
		"web_1":                         {},
		"_http._tcp.web.billing.svc":    {},
		"web.-billing":                  {},
		"web billing":                   {},
		"web\x00":                       {},
		"web\n.billing":                 {},
		"web/../x":                      {},
		"web%2e":                        {},
		"wéb":                           {},
		"\u212aube.billing":             {},
		long + "a":                      {},
		strings.Repeat("a.", 127) + "a": {},
		"web.billing.svc." + strings.Repeat("abcdefg.", 31) + "a": {},
	} {
		if got := parseName(host, "team"); got != want {
			t.Errorf("parseName(%q) = %+v, want %+v", host, got, want)
		}
	}
}

func TestLongestHostIsStillAName(t *testing.T) {
	host := "web.billing.svc." + strings.Repeat("abcdefg.", 29) + "abcde"
	if len(host) != maxHost {
		t.Fatalf("host has %d bytes", len(host))
	}
	if got := parseName(host, "team").service; got != "web" {
		t.Errorf("service %q", got)
	}
}

func FuzzName(f *testing.F) {
	for _, host := range []string{
		"web", "web.billing.", "web.billing.svc.cluster.local", "www.example.com", "db-0.db.billing.svc", "10-1-2-3.billing.pod", "::ffff:10.1.2.3",
		"db-0.db.billing", "web.billing.pod", "a--b.billing.pod.x",
		"fd00::1%eth0", "127.1", "0x7f.1", "a..b", "\u212a.b", strings.Repeat("a.", 200),
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		n := parseName(host, "team")
		if n != parseName(host, "team") {
			t.Fatal("not the same twice")
		}
		for _, part := range []string{n.service, n.namespace, n.pod} {
			if part != "" && !isLabel(part) {
				t.Errorf("%q: %q is no label", host, part)
			}
		}
		switch n.meaning {
		case outside:
			if n != (name{}) {
				t.Errorf("%q: outside, and yet %+v", host, n)
			}
			return
		case serviceName:
			if n.service == "" || n.namespace == "" || n.pod != "" || n.address.IsValid() {
				t.Errorf("%q: %+v", host, n)
			}
		case memberName:
			if n.service == "" || n.namespace == "" || n.pod == "" || n.address.IsValid() {
				t.Errorf("%q: %+v", host, n)
			}
		case podName:
			if n.service != "" || n.namespace == "" || n.pod == "" || n.address.IsValid() || n.doubtful {
				t.Errorf("%q: %+v", host, n)
			}
		case clusterAddress:
			if a := n.address; !a.IsValid() || n.doubtful || a.Zone() != "" || a.IsLoopback() || a.IsLinkLocalUnicast() || a.Is4In6() || a.IsUnspecified() {
				t.Errorf("%q: address %v", host, a)
			}
		}
		if len(host) > maxHost+1 {
			t.Errorf("%d bytes are a name", len(host))
		}
		// One trailing dot and the case of letters change nothing.
		if n.meaning != clusterAddress && !strings.HasSuffix(host, ".") {
			if dotted := parseName(strings.ToUpper(host)+".", "team"); dotted != n {
				t.Errorf("%q: %+v, with dot and in capitals %+v", host, n, dotted)
			}
		}
	})
}
