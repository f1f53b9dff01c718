package kube

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"fairlead/build/clustertest"
)

// everyRecord tests the records of names, with the examples of Kubernetes' specification of its DNS in this cluster.
func everyRecord(t *testing.T, cluster *clustertest.Cluster) {
	makeForms(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	podIP := field(t, cluster, ".status.podIP", "pod", "one", "-n", "forms")
	dottedIP := field(t, cluster, ".status.podIP", "pod", "web.v1", "-n", "forms")
	dual := field(t, cluster, ".spec.clusterIPs[0]", "service", "dual", "-n", "forms")
	second := field(t, cluster, ".spec.clusterIPs[1]", "service", "dual", "-n", "forms")
	balanced := field(t, cluster, ".spec.clusterIP", "service", "balanced", "-n", "forms")
	notReady := field(t, cluster, ".spec.clusterIP", "service", "not-ready", "-n", "default")
	dashed := strings.ReplaceAll(podIP, ".", "-")
	for name, want := range map[string]string{
		"dual.forms.svc":              sorted(dual, second),
		"Dual.Forms.SVC":              sorted(dual, second),
		"balanced.forms.svc":          balanced, // not the load balancer's address
		"not-ready.default.svc":       notReady,
		"none.forms.svc":              "no name",
		"none.none.svc":               "no name",
		"members.forms.svc":           podIP,
		"primary.members.forms.svc":   podIP,
		"one.members.forms.svc":       "no name", // it is called primary there
		dashed + ".members.forms.svc": "no name",
		strings.ReplaceAll(dottedIP, ".", "-") + ".bare.forms.svc": dottedIP,
		"bare.forms.svc":                   dottedIP,
		"web.v1.bare.forms.svc":            "no name", // beyond DNS
		"beyond.forms.svc":                 field(t, cluster, ".spec.clusterIP", "service", "beyond", "-n", "forms"),
		"site.forms.svc":                   "→ www.example.com",
		"alias.forms.svc":                  "→ members.forms.svc.cluster.local",
		"x.site.forms.svc":                 "no name",
		"_http._tcp.dual.forms.svc":        "dual.forms.svc.cluster.local:80",
		"_HTTP._TCP.dual.forms.svc":        "dual.forms.svc.cluster.local:80",
		"_http._udp.dual.forms.svc":        "no name",
		"_none._tcp.dual.forms.svc":        "no name",
		"http._tcp.dual.forms.svc":         "no name",
		"_http.tcp.dual.forms.svc":         "no name",
		"_udp._udp.both.forms.svc":         "both.forms.svc.cluster.local:53",
		"_tcp.dual.forms.svc":              "",
		"_udp.dual.forms.svc":              "no name",
		"_http._tcp.members.forms.svc":     "primary.members.forms.svc.cluster.local:8080",
		"_http._tcp.not-ready.default.svc": "no name",
		dashed + ".forms.pod":              podIP,
		dashed + ".default.pod":            "no name",
		"one.forms.pod":                    "no name",
		"127-0-0-1.forms.pod":              "no name",
		"forms.svc":                        "",
		"forms.pod":                        "",
		"none.svc":                         "no name",
		"svc":                              "",
		"pod":                              "",
		"other":                            "no name",
		"a.b.c.d.dual.forms.svc":           "no name",
		"*.forms.svc":                      "no name",
	} {
		if got := recordsOf(t, c, name+".cluster.local"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := recordsOf(t, c, "cluster.local."); got != "" {
		t.Errorf("the domain itself: %q", got)
	}
	for _, name := range []string{"www.example.com", "dual.forms", "dual.forms.svc", "mycluster.local", ""} {
		if _, err := c.Records(t.Context(), name); !isNotFound(err) || c.Domain(name) != "" {
			t.Errorf("%q, which is in no domain of the cluster: %q, %v", name, c.Domain(name), err)
		}
	}
	for host, want := range map[string]string{
		"dual.forms":            "dual.forms.svc.cluster.local:80",
		"members.forms.svc":     "primary.members.forms.svc.cluster.local:8080",
		"none.forms.svc":        "",
		"site.forms.svc":        "",
		"one.members.forms.svc": "",
		dashed + ".forms.pod":   "",
	} {
		if got := instancesOf(t, c, host, "http"); got != want {
			t.Errorf("port http of %s: %q, want %q", host, got, want)
		}
	}
	c.SetPolicy(Policy{Domain: "K8s.example.com."})
	if got := recordsOf(t, c, "_http._tcp.dual.forms.svc.k8s.example.com"); got != "dual.forms.svc.k8s.example.com:80" {
		t.Errorf("in the policy's domain: %q", got)
	}
	c.SetPolicy(Policy{})
	for address, want := range map[string]string{
		dual: "dual.forms.svc.cluster.local", second: "dual.forms.svc.cluster.local", podIP: "primary.members.forms.svc.cluster.local",
		dottedIP: "no name", "8.8.8.8": "outside", "169.254.169.254": "outside",
	} {
		names, inCluster, err := c.Names(t.Context(), netip.MustParseAddr(address))
		got := strings.Join(names, " ")
		switch {
		case isNotFound(err):
			got = "no name"
		case !inCluster:
			got = "outside"
		case err != nil:
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

// recordsOf returns the records of a name in one line.
func recordsOf(t *testing.T, c *Cluster, name string) string {
	t.Helper()
	found, err := c.Records(t.Context(), name)
	var all []string
	switch {
	case isNotFound(err):
		return "no name"
	case err != nil:
		return err.Error()
	case found.Alias != "":
		all = append(all, "→ "+found.Alias)
	}
	for _, address := range found.Addresses {
		all = append(all, address.String())
	}
	return sorted(append(all, texts(found.Services)...)...)
}

// instancesOf returns where a named port of a host is served, in one line.
func instancesOf(t *testing.T, c *Cluster, host, port string) string {
	t.Helper()
	h, err := c.Lookup(t.Context(), host)
	if err != nil {
		return err.Error()
	}
	found, err := h.Instances(t.Context(), port)
	if err != nil {
		return err.Error()
	}
	return sorted(texts(found)...)
}

func texts(instances []Instance) (texts []string) {
	for _, i := range instances {
		texts = append(texts, fmt.Sprintf("%s:%d", i.Host, i.Port))
	}
	return texts
}

func sorted(all ...string) string {
	slices.Sort(all)
	return strings.Join(all, " ")
}
