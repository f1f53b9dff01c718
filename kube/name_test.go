package kube

import (
	"net/netip"
	"strings"
	"testing"

	"fairlead/kube/objects"
)

func TestNamesMeanWhatTheClusterMeans(t *testing.T) {
	service := func(service, namespace string) name {
		return name{meaning: serviceName, service: service, namespace: namespace}
	}
	short := func(service, namespace string) name {
		return name{meaning: serviceName, service: service, namespace: namespace, memberNamespace: "team"}
	}
	doubtful := func(service, namespace string) name {
		n := short(service, namespace)
		n.doubtful = true
		return n
	}
	member := func(pod, service, namespace string) name {
		return name{meaning: memberName, pod: pod, service: service, namespace: namespace}
	}
	maybeMember := func(pod, service, namespace string) name {
		n := member(pod, service, namespace)
		n.doubtful = true
		return n
	}
	pod := func(pod, namespace string) name { return name{meaning: podName, pod: pod, namespace: namespace} }
	address := func(s string) name { return name{meaning: clusterAddress, address: netip.MustParseAddr(s)} }
	addressIn := func(s, namespace string) name {
		n := address(s)
		n.namespace = namespace
		return n
	}
	below := func(zone string, n name) name {
		n.zone = zone
		return n
	}
	none := name{meaning: noName}
	long := strings.Repeat("a", 63)
	for host, want := range map[string]name{
		// SERVICE
		"web":      service("web", "team"),
		"web.":     service("web", "team"),
		"WEB":      service("web", "team"),
		"my-web-2": service("my-web-2", "team"),
		"8080-web": service("8080-web", "team"),
		"svc":      service("svc", "team"),
		"pod":      service("pod", "team"),
		long:       service(long, "team"),

		// NAME.NAMESPACE.KIND.apps
		"web.shop.deployment.apps":     {meaning: workloadName, service: "web", namespace: "shop", kind: "deployment"},
		"DB.Shop.StatefulSet.Apps.":    {meaning: workloadName, service: "db", namespace: "shop", kind: "statefulset"},
		"web.shop.cronjob.apps":        {},
		"web.v1.shop.deployment.apps":  {},
		"shop.deployment.apps":         maybeMember("shop", "deployment", "apps"),
		"web.shop.deployment.apps.k8s": {},

		// SERVICE.NAMESPACE, or POD.SERVICE
		"web.billing":     short("web", "billing"),
		"Web.Billing.":    short("web", "billing"),
		"web.default":     short("web", "default"),
		"web.kube-system": short("web", "kube-system"),
		"123.billing":     short("123", "billing"),
		"10-1-2-3.web":    short("10-1-2-3", "web"),
		"web.svc":         short("web", "svc"),
		"web.pod":         short("web", "pod"),
		"web.dev":         doubtful("web", "dev"),
		"Web.Prod.":       doubtful("web", "prod"),
		"example.com":     doubtful("example", "com"),
		"github.io":       doubtful("github", "io"),
		"web.ck":          doubtful("web", "ck"),

		// SERVICE.NAMESPACE.svc
		"web.billing.svc":                 service("web", "billing"),
		"web.billing.SVC":                 service("web", "billing"),
		"web.billing.svc.":                service("web", "billing"),
		"web.billing.svc.cluster.local":   service("web", "billing"),
		"WEB.billing.svc.Cluster.Local.":  service("web", "billing"),
		"web.billing.svc.k8s.example.com": below("k8s.example.com", service("web", "billing")),
		"Web.billing.svc.Example.com.":    below("example.com", service("web", "billing")),
		"web.billing.svc.k8s.corp":        service("web", "billing"),
		"web.com.svc":                     service("web", "com"),
		"123.billing.svc":                 service("123", "billing"),
		"web.123.svc":                     service("web", "123"),
		"web.svc.svc":                     service("web", "svc"),
		"web.pod.svc":                     service("web", "pod"),
		"localhost.billing.svc":           service("localhost", "billing"),

		// POD.SERVICE.NAMESPACE[.svc]
		"db-0.db.billing":                           maybeMember("db-0", "db", "billing"),
		"DB-0.db.Billing.":                          maybeMember("db-0", "db", "billing"),
		"a.b.c":                                     maybeMember("a", "b", "c"),
		"db-0.db.billing.svc":                       member("db-0", "db", "billing"),
		"db-0.db.billing.svc.":                      member("db-0", "db", "billing"),
		"db-0.db.billing.svc.cluster.local":         member("db-0", "db", "billing"),
		"db-0.db.billing.svc.any.where":             member("db-0", "db", "billing"),
		"db-0.db.billing.svc.example.co.uk":         below("example.co.uk", member("db-0", "db", "billing")),
		"10-1-2-3.db.billing.svc.cluster.local":     member("10-1-2-3", "db", "billing"),
		"fd00--1.db.billing.svc":                    member("fd00--1", "db", "billing"),
		"web.v1.dotted.billing.svc":                 member("web.v1", "dotted", "billing"),
		"Web.V1.dotted.billing.svc.cluster.local.":  member("web.v1", "dotted", "billing"),
		"a.b.c.d.e.svc":                             member("a.b.c", "d", "e"),
		"web.billing.svc.svc":                       member("web", "billing", "svc"),
		"web.billing.pod.svc":                       member("web", "billing", "pod"),
		"web.billing.svc.svc.cluster.local":         member("web", "billing", "svc"),
		"web.v1.dotted.billing.svc.k8s.example.com": {}, // a name of several labels, in a domain that may be any

		// 10-1-2-3.NAMESPACE.pod
		"10-1-2-3.billing.pod":                  addressIn("10.1.2.3", "billing"),
		"10-1-2-3.billing.pod.":                 addressIn("10.1.2.3", "billing"),
		"10-1-2-3.billing.pod.cluster.local":    addressIn("10.1.2.3", "billing"),
		"10-1-2-3.billing.pod.k8s.example.com":  below("k8s.example.com", addressIn("10.1.2.3", "billing")),
		"8-8-8-8.billing.pod":                   addressIn("8.8.8.8", "billing"),
		"fd00--1.billing.pod":                   addressIn("fd00::1", "billing"),
		"fd00--1.billing.pod.cluster.local":     addressIn("fd00::1", "billing"),
		"FD00-0-0-0-0-0-0-1.billing.pod":        addressIn("fd00::1", "billing"),
		"2001-db8--a-1.billing.pod":             addressIn("2001:db8::a:1", "billing"),
		"127-0-0-1.billing.pod":                 none,
		"169-254-169-254.billing.pod":           none,
		"fe80--1.billing.pod.cluster.local":     none,
		"127-0-0-1.billing.pod.k8s.example.com": {},

		// POD.NAMESPACE.pod
		"web.billing.pod":           pod("web", "billing"),
		"Web-7d9f.Billing.POD.":     pod("web-7d9f", "billing"),
		"web.dev.pod":               pod("web", "dev"),
		"web.svc.pod":               pod("web", "svc"),
		"web.v1.billing.pod":        pod("web.v1", "billing"),
		"a.b.c.pod":                 pod("a.b", "c"),
		"1.2.3.4.pod":               pod("1.2.3", "4"),
		"10-1-2.billing.pod":        pod("10-1-2", "billing"),
		"10-1-2-300.billing.pod":    pod("10-1-2-300", "billing"),
		"a.10-1-2-3.billing.pod":    pod("a.10-1-2-3", "billing"),
		"web.billing.pod.k8s.local": {}, // no DNS has it

		// An address.
		"10.1.2.3":        address("10.1.2.3"),
		"172.16.0.1":      address("172.16.0.1"),
		"192.168.255.254": address("192.168.255.254"),
		"100.64.0.1":      address("100.64.0.1"),
		"::ffff:10.1.2.3": address("10.1.2.3"),
		"fd00::1":         address("fd00::1"),
		"FD00:0:0::0:1":   address("fd00::1"),
		"8.8.8.8":         address("8.8.8.8"),
		"100.128.0.1":     address("100.128.0.1"),
		"2001:db8::1":     address("2001:db8::1"),

		// Hosts that end like the cluster's names, and are none of them.
		"cluster.local":                             none,
		"Cluster.Local.":                            none,
		"svc.cluster.local":                         none,
		"pod.cluster.local":                         none,
		"billing.svc.cluster.local":                 none,
		"billing.pod.cluster.local":                 none,
		"web.cluster.local":                         none,
		"web.billing.cluster.local":                 none,
		"dns-version.cluster.local":                 none,
		"a.b.c.cluster.local":                       none,
		"web.billing.pod.cluster.local":             none, // no DNS has it
		"web.v1.billing.pod.cluster.local":          none,
		"_http._tcp.web.billing.svc":                none,
		"_http._tcp.web.billing.svc.cluster.local":  none,
		"_http._tcp.web.billing.svc.cluster.local.": none,
		"_http.web.svc":                             none,
		"*.billing.svc":                             none,
		"*.svc.cluster.local":                       none,
		"web..billing.svc":                          none,
		".svc":                                      none,
		"..pod":                                     none,
		"web.billing.svc..":                         none,
		"-web.billing.svc":                          none,
		"web-.billing.pod":                          none,
		"web_1.billing.svc":                         none,
		"w\u00e9b.billing.svc":                      none,
		"web\n.billing.svc":                         none,
		long + "a.billing.svc":                      none,
		strings.Repeat("a.", 127) + "svc":           none,

		// Hosts outside the cluster.
		"":                              {},
		".":                             {},
		"..":                            {},
		"web..":                         {},
		".web":                          {},
		"web..billing":                  {},
		"localhost":                     {},
		"LOCALHOST.":                    {},
		"web.localhost":                 {},
		"svc.localhost":                 {},
		"www.example.com":               {},
		"www.example.com.":              {},
		"www.example.dev":               {},
		"svc.example.com":               {},
		"web.svc.example.com":           {},
		"cluster.local.example.com":     {},
		"mycluster.local.":              short("mycluster", "local"),
		"xcluster.local":                short("xcluster", "local"),
		"db-0.db.prod":                  {},
		"a.github.io":                   {},
		"web.billing.pod.example.com":   {},
		"255.255.255.255":               {},
		"0.1.2.3":                       {},
		"::ffff:169.254.169.254":        {},
		"ff02::1":                       {},
		"127.0.0.1":                     {},
		"127.1":                         {},
		"10.1":                          {},
		"123":                           {},
		"web.123":                       {},
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
		"*":                             {},
		"*.billing":                     {},
		"_http._tcp.web":                {},
		"web.-billing":                  {},
		"web billing":                   {},
		"web\x00":                       {},
		"web\n.billing":                 {},
		"web/../x":                      {},
		"web%2e":                        {},
		"w\u00e9b":                      {},
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
	if len(host) != objects.MaxHost {
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
		"web.v1.dotted.billing.svc", "a.b.c.d.pod", "svc.cluster.local", "_http._tcp.web.svc", "*.svc",
		"fd00::1%eth0", "127.1", "0x7f.1", "a..b", "\u212a.b", strings.Repeat("a.", 200),
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		n := parseName(host, "team")
		if n != parseName(host, "team") {
			t.Fatal("not the same twice")
		}
		for _, part := range []string{n.service, n.namespace, n.memberNamespace} {
			if part != "" && !objects.IsLabel(part) {
				t.Errorf("%q: %q is no label", host, part)
			}
		}
		if n.pod != "" && !objects.IsSubdomain(n.pod) {
			t.Errorf("%q: %q is no name of a Pod", host, n.pod)
		}
		if endsInCluster(host) && n.meaning == outside {
			t.Errorf("%q leaves the cluster", host)
		}
		switch n.meaning {
		case outside, noName:
			if n != (name{meaning: n.meaning}) {
				t.Errorf("%q: no name, and yet %+v", host, n)
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
		case workloadName:
			if n.service == "" || n.namespace == "" || objects.Workloads[n.kind] == "" || n.pod != "" || n.address.IsValid() || n.doubtful {
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
		if len(host) > objects.MaxHost+1 {
			t.Errorf("%d bytes are a name", len(host))
		}
		// A trailing dot and the case of letters make no difference.
		if n.meaning != clusterAddress && !strings.HasSuffix(host, ".") {
			if dotted := parseName(strings.ToUpper(host)+".", "team"); dotted != n {
				t.Errorf("%q: %+v, with dot and in capitals %+v", host, n, dotted)
			}
		}
	})
}
