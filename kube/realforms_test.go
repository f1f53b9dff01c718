package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

func kubectl(t *testing.T, cluster *clustertest.Cluster, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatalf("kubectl %v: %v: %s", args, err, out)
	}
	return string(out)
}

// everyKind tests all forms of hosts: the Pod that each leads to, or the fault.
func everyKind(t *testing.T, cluster *clustertest.Cluster) {
	makeForms(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	podIP := field(t, cluster, ".status.podIP", "pod", "one", "-n", "forms")
	clusterIPs := strings.Fields(kubectl(t, cluster, "get", "service", "dual", "-n", "forms", "-o", "jsonpath={.spec.clusterIPs[*]}"))
	if len(clusterIPs) != 2 {
		t.Fatalf("dual has %q", clusterIPs)
	}
	second := "[" + clusterIPs[1] + "]:80"
	for _, row := range []struct {
		address string
		want    any // the Pod's name, or a fault
	}{
		{"members.forms:80", "one"},
		{"members.forms:8080", "one"}, // headless, with the Pod's own port
		{"members.forms:9100", "one"}, // and with one that the Service does not list
		{"members.forms:9", &fault.Refused{Pod: "one", Namespace: "forms", Port: 9}},
		{"bare.forms:8080", "web.v1"},
		{"bare.forms:9100", "web.v1"},
		{"primary.members.forms:9100", "one"},
		{"primary.members.forms.svc:8080", "one"},
		{"Primary.Members.Forms.svc.cluster.local.:8080", "one"},
		{"one.members.forms.svc.any.domain:8080", "one"},
		{"two.members.forms.svc:8080", &fault.NotFound{Kind: fault.Pod, Name: "two", Namespace: "forms"}},
		{"one.forms.pod:8080", "one"},
		{"one.forms.pod:9100", "one"},
		{"one.forms.pod:9", &fault.Refused{Pod: "one", Namespace: "forms", Port: 9}},
		{"two.forms.pod:8080", &fault.NotFound{Kind: fault.Pod, Name: "two", Namespace: "forms"}},
		{"one.forms.pod.cluster.local:8080", &fault.NotFound{Kind: fault.Name, Name: "one.forms.pod.cluster.local"}},
		{"web.v1.forms.pod:8080", "web.v1"},
		{"web.v1.bare.forms.svc:8080", "web.v1"},
		{"Web.V1.bare.forms.svc.cluster.local.:9100", "web.v1"},
		{"web.v2.forms.pod:8080", &fault.NotFound{Kind: fault.Pod, Name: "web.v2", Namespace: "forms"}},
		{"_http._tcp.dual.forms.svc.cluster.local:80", &fault.NotFound{Kind: fault.Name, Name: "_http._tcp.dual.forms.svc.cluster.local"}},
		{"forms.svc.cluster.local:80", &fault.NotFound{Kind: fault.Name, Name: "forms.svc.cluster.local"}},
		{strings.ReplaceAll(podIP, ".", "-") + ".forms.pod:8080", "one"},
		{strings.ReplaceAll(podIP, ".", "-") + ".forms.pod.cluster.local:8080", "one"},
		{strings.ReplaceAll(podIP, ".", "-") + ".default.pod:8080", &fault.NotFound{Kind: fault.Address, Name: podIP}},
		{podIP + ":8080", "one"},
		{"[::ffff:" + podIP + "]:8080", "one"},
		{"dual.forms:80", "one"},
		{clusterIPs[0] + ":80", "one"},
		{second, "one"}, // seen when dual was asked for
		{clusterIPs[0] + ":81", &fault.NotFound{Kind: fault.Port, Name: "81", Namespace: "forms", Service: "dual", Has: []string{"80 (http)"}}},
		{"several.forms:80", "one"},
		{"several.forms:81", "one"},
		{"[fd00:10:244::1]:9100", "one"}, // the Pod's second address
		{"both.forms:53", "one"},
		{"udp.forms:53", &fault.Unsupported{What: "port 53 of Service forms/udp is UDP only"}},
		{"balanced.forms:80", "one"},
		{"192.168.77.1:80", &fault.NotFound{Kind: fault.Address, Name: "192.168.77.1"}}, // an externalIP, which its tenant chose
		{"192.168.77.2:80", "one"},
		{"by-address-of-pod.forms:80", "one"},
		{"by-address-of-service.forms:80", "one"},
		{"alias.forms:80", "one"},
		{"alias-of-address.forms:8080", "one"},
		{"alias2.forms.svc.cluster.local:8080", "one"},
		{"circle.forms:80", &fault.Unsupported{What: "Service forms/circle is an ExternalName that leads to others without end"}},
		{"site.forms:80", &fault.Unsupported{What: "Service forms/site is an ExternalName for www.example.com, which is outside the cluster"}},
		{"beyond.forms:80", &fault.Unsupported{What: "Service forms/beyond leads to db.example.com:8080, which is no Pod"}},
		{"shared.forms:80", &fault.HostNetwork{Pod: "shared", Namespace: "forms", Node: "node-1"}},
		{"shared.forms.pod:8080", &fault.HostNetwork{Pod: "shared", Namespace: "forms", Node: "node-1"}},
		{"172.30.0.1:8080", &fault.HostNetwork{Pod: "shared", Namespace: "forms", Node: "node-1"}},
		{"8.8.8.8:53", &fault.NotFound{Kind: fault.Address, Name: "8.8.8.8"}},
		{"www.example.com:80", &fault.NotFound{Kind: fault.Address, Name: "www.example.com"}},
		{"169.254.169.254:80", &fault.NotFound{Kind: fault.Address, Name: "169.254.169.254"}},
	} {
		got, err := ask(c, row.address)
		if pod, ok := row.want.(string); ok {
			if err != nil || got != "forms/"+pod {
				t.Errorf("%s: Pod %q, %v; want %s", row.address, got, err, pod)
			}
			continue
		}
		if want, have := row.want.(error), faultOf(err, row.want.(error)); have != facts(want) {
			t.Errorf("%s: %s (%v), want %s", row.address, have, err, facts(want))
		}
	}
}

// shortNames tests names of two labels, which are resolved as by the search list of a Pod in the context's namespace.
func shortNames(t *testing.T, cluster *clustertest.Cluster) {
	makeForms(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	c.SetPolicy(Policy{Namespace: "forms"})
	for address, want := range map[string]string{
		"primary.members:8080": "forms/one",
		"one.members:9100":     "forms/one",
		"one.members.:9100":    "forms/one",
		"hello.default:80":     "default/hello-",
	} {
		if got, err := ask(c, address); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: Pod %q, %v; want %s", address, got, err, want)
		}
	}
	for address, want := range map[string]*fault.NotFound{
		"two.members:80":   {Kind: fault.Pod, Name: "two", Namespace: "forms"},
		"lost.default:80":  {Kind: fault.Service, Name: "lost", Namespace: "default"},
		"one.nowhere:8080": {Kind: fault.Namespace, Name: "nowhere"},
	} {
		if err := dial(t, c, address); faultOf(err, want) != facts(want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
	// With rights in one namespace only.
	narrow := openReal(t, cluster.Kubeconfig, "demo-team")
	pod := field(t, cluster, ".items[0].metadata.name", "pods", "-n", "team", "-l", "app=app")
	if got, err := ask(narrow, pod+".app:8080"); err != nil || got != "team/"+pod {
		t.Errorf("%s.app: Pod %q, %v", pod, got, err)
	}
}

// facts returns all fields of a fault as text, except the runtime's own message.
func facts(err error) string {
	if refused, ok := err.(*fault.Refused); ok {
		plain := *refused
		plain.Text = ""
		err = &plain
	}
	text, _ := json.Marshal(err)
	return fmt.Sprintf("%T %s", err, text)
}

// faultOf returns the fault in err that has want's type, as text.
func faultOf(err, want error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if fmt.Sprintf("%T", e) == fmt.Sprintf("%T", want) {
			return facts(e)
		}
	}
	return fmt.Sprintf("%T", err)
}

// allowedByPolicy tests dials that are refused unless a policy allows them.
func allowedByPolicy(t *testing.T, cluster *clustertest.Cluster) {
	makeForms(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	out := &outsideDialer{}
	c.SetPolicy(Policy{Namespace: "forms", HostNetwork: true, Outside: out.dial, Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	for _, address := range []string{"shared:80", "shared.forms.pod:8080", "172.30.0.1:8080"} {
		if pod, err := ask(c, address); err != nil || pod != "forms/shared" {
			t.Errorf("%s: Pod %q, %v", address, pod, err)
		}
	}
	for address, want := range map[string]string{"site:443": "tcp www.example.com:443", "beyond:80": "tcp db.example.com:8080"} {
		if err := dial(t, c, address); err != nil || !slices.Contains(out.went, want) {
			t.Errorf("%s: %v, went to %q", address, err, out.went)
		}
	}
	for host, want := range map[string]bool{"198.51.100.1": true, "198.51.101.1": false, "172.30.0.1": true} {
		if got := claims(t, c, host); got != want {
			t.Errorf("Lookup(%s) = %v", host, got)
		}
	}
}

// realRanges tests which addresses are in the cluster according to the API server's own objects.
func realRanges(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo")
	if known := c.Known(); len(known) != 0 {
		t.Errorf("before anybody asked, %v are known", known)
	}
	for host, want := range map[string]bool{
		"10.96.255.254": true, "10.244.255.254": true, "fd00:10:96::ffff": true, // in the ranges, but of no object
		"172.30.0.1": false, "10.7.7.7": false, "192.168.1.1": false, "8.8.8.8": false, "127.0.0.1": false,
	} {
		if got := claims(t, c, host); got != want {
			t.Errorf("Lookup(%s) = %v", host, got)
		}
	}
	for _, text := range []string{"10.96.0.0/16", "fd00:10:96::/112", "10.244.0.0/16"} {
		if !slices.Contains(c.Known(), netip.MustParsePrefix(text)) {
			t.Errorf("%s is not known, but %v", text, c.Known())
		}
	}
	narrow := openReal(t, cluster.Kubeconfig, "demo-team")
	own := field(t, cluster, ".spec.clusterIP", "service", "app", "-n", "team")
	for host, want := range map[string]bool{"10.96.255.254": false, own: true} {
		if got := claims(t, narrow, host); got != want {
			t.Errorf("with rights in one namespace, Lookup(%s) = %v", host, got)
		}
	}
	if known := narrow.Ranges(t.Context()); slices.Contains(known, netip.MustParsePrefix("10.96.0.0/16")) {
		t.Errorf("with rights in one namespace, %v are known", known)
	}
}

func catalogue(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo")
	namespaces, err := c.Namespaces(t.Context())
	if err != nil || !slices.Contains(namespaces, "team") || !slices.IsSorted(namespaces) {
		t.Errorf("%v, %v", namespaces, err)
	}
	find := func(c *Cluster, namespace, in, name string) *Service {
		list, err := c.Services(t.Context(), namespace)
		if err != nil {
			t.Errorf("Services(%q): %v", namespace, err)
		}
		for _, s := range list {
			if s.Namespace == in && s.Name == name {
				return &s
			}
		}
		return nil
	}
	want := []ServicePort{{80, "http"}, {7, "echo"}, {9000, "admin"}}
	for _, namespace := range []string{"", "default"} {
		if s := find(c, namespace, "default", "multi"); s == nil || !slices.Equal(s.Ports, want) {
			t.Errorf("multi in %q: %v", namespace, s)
		}
	}
	if find(c, "", "team", "app") == nil || find(c, "default", "team", "app") != nil {
		t.Error("app is not where it should be")
	}
	narrow := openReal(t, cluster.Kubeconfig, "demo-team")
	if namespaces, err := narrow.Namespaces(t.Context()); err != nil || !slices.Equal(namespaces, []string{"team"}) {
		t.Errorf("with rights in one namespace: %v, %v", namespaces, err)
	}
	if find(narrow, "", "team", "app") == nil {
		t.Error("app is not in the catalogue of its own namespace")
	}
	var forbidden *fault.Forbidden
	if _, err := narrow.Services(t.Context(), "default"); !errors.As(err, &forbidden) || forbidden.Namespace != "default" {
		t.Errorf("another namespace: %v", err)
	}
	if c.api.Asked.Load() == 0 {
		t.Error("no question was counted")
	}
}

// trick is a Pod, on its own network or its node's, and a slice made by hand that leads to it with a UID that may be another
// Pod's.
const trick = `
apiVersion: v1
kind: Pod
metadata: {name: trick, namespace: default, labels: {app: trick}}
spec:
  hostNetwork: %t
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 9180}]}]
`

const trickService = `
apiVersion: v1
kind: Service
metadata: {name: trick, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: trick-a, namespace: default, labels: {kubernetes.io/service-name: trick}}
addressType: IPv4
ports: [{name: http, port: 9180}]
endpoints: [{addresses: [10.244.255.9], targetRef: {kind: Pod, name: trick, namespace: default, uid: %s}}]
`

// replacedOnHost tests a Pod on its node's network that gets the name of a Pod that was checked, while the slice still has
// the old Pod.
func replacedOnHost(t *testing.T, cluster *clustertest.Cluster) {
	apply := func(objects string) {
		t.Helper()
		command := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
		command.Stdin = strings.NewReader(objects)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("kubectl apply: %v: %s", err, out)
		}
	}
	ready := func() {
		t.Helper()
		kubectl(t, cluster, "wait", "--for=condition=Ready", "--timeout=60s", "pod/trick")
	}
	apply(fmt.Sprintf(trick, false))
	ready()
	t.Cleanup(func() { _, _ = cluster.Kubectl(context.Background(), "delete", "pod,service", "trick", "--wait=false") })
	apply(fmt.Sprintf(trickService, field(t, cluster, ".metadata.uid", "pod", "trick")))
	c := openReal(t, cluster.Kubeconfig, "demo")
	if pod, err := ask(c, "trick:80"); pod != "default/trick" || err != nil {
		t.Fatalf("the Pod with its own network: %q, %v", pod, err)
	}
	looked := time.After(2500 * time.Millisecond) // sessions share a check for that long
	kubectl(t, cluster, "delete", "pod", "trick")
	apply(fmt.Sprintf(trick, true))
	ready()
	<-looked
	// A session that outlived the Pod would show that it is gone.
	if err := cluster.DropSessions(t.Context(), "default/trick"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		pod, err := ask(c, "trick:80")
		if err == nil {
			t.Fatalf("the Pod on its node's network answers: %s", pod)
		}
		if shared := new(fault.HostNetwork); errors.As(err, &shared) && shared.Pod == "trick" {
			break
		} else if time.Now().After(end) {
			t.Fatalf("it is not said why: %v", err)
		}
	}
}
