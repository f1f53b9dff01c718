package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"fairlead/kube/api"
	"fairlead/kube/fault"
)

// addressed returns an API server with ranges, a node, a Service with addresses of all kinds, and Pods on both kinds of
// networks.
func addressed(t *testing.T) *apiServer {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	web := server.services["team/web"]
	web.Spec.Type = corev1.ServiceTypeLoadBalancer
	web.Spec.ClusterIPs = []string{"10.96.0.10", "fd00:10:96::10"}
	web.Spec.ExternalIPs = []string{"192.168.77.1", "203.0.113.7"}
	web.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.168.77.2"}, {Hostname: "lb.example.com"}, {IP: "203.0.113.8"}}
	server.pods[0].Status.PodIPs = []corev1.PodIP{{IP: "10.244.0.1"}, {IP: "fd00:10:244::1"}}
	host := testPod("kube-system", "proxy", nodeAddress)
	host.Spec.HostNetwork = true
	stray := testPod("other", "stray", "172.31.9.9")
	server.pods = append(server.pods, host, stray)
	server.nodes = []corev1.Node{{Spec: corev1.NodeSpec{PodCIDR: "10.244.0.0/24", PodCIDRs: []string{"10.244.0.0/24", "fd00:10:244::/64"}}}}
	server.ranges = []networkingv1.ServiceCIDR{{Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.96.0.0/16"}}}}
	return server
}

// inCluster reports whether Lookup finds a host in the cluster.
func inCluster(ctx context.Context, c *Cluster, host string) (bool, error) {
	h, err := c.Lookup(ctx, host)
	return err == nil && h.InCluster, err
}

func claims(t *testing.T, c *Cluster, host string) bool {
	t.Helper()
	claimed, err := inCluster(t.Context(), c, host)
	if err != nil {
		t.Errorf("Lookup(%s): %v", host, err)
	}
	return claimed
}

func TestAnAddressIsTheClustersWhenSomethingOfItHasIt(t *testing.T) {
	server := addressed(t)
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for range 2 {
		for host, want := range map[string]bool{
			"10.96.200.200":    true,  // in a range of Services, but of no Service
			"10.244.0.200":     true,  // in a range of Pods
			"fd00:10:244::77":  true,  // the same
			"172.31.9.9":       true,  // a Pod's, outside the ranges
			"192.168.77.1":     false, // an external address of the Service, which a tenant may choose
			"192.168.77.2":     true,  // its load balancer's
			"::ffff:10.96.0.1": true,  // an IPv4 address
			"203.0.113.7":      false, // a public address
			"203.0.113.8":      false,
			"10.7.7.7":         false, // of another network
			"fd99::1":          false,
			nodeAddress:        false,
			"127.0.0.1":        false,
			"169.254.169.254":  false,
			"10.0.0.1%eth0":    false,
		} {
			if got := claims(t, c, host); got != want {
				t.Errorf("Lookup(%s) = %v", host, got)
			}
		}
	}
	lists := 0
	for _, request := range server.requests() {
		if strings.Contains(request, "limit=100") && !strings.Contains(request, "endpointslices") {
			lists++
		}
		if strings.Contains(request, "203.0.113.7") {
			t.Errorf("asked %s", request)
		}
	}
	if lists != 2 {
		t.Errorf("the ranges cost %d requests of %q", lists, server.requests())
	}
}

func TestAnAddressThatWasSeenNeedsNoRangeAndNoClusterWideRight(t *testing.T) {
	server := addressed(t)
	server.nodes, server.ranges = nil, nil
	server.services["team/web"].Spec.Type = corev1.ServiceTypeClusterIP // the address of a load balancer can be asked for
	server.slices["team/web"] = append(server.slices["team/web"], discoveryv1.EndpointSlice{
		AddressType: discoveryv1.AddressTypeIPv6, Ports: server.slices["team/web"][0].Ports,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"fd00:10:244::1"}, TargetRef: server.slices["team/web"][0].Endpoints[0].TargetRef}},
	})
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/namespaces/team") {
			return false
		}
		fail(w, http.StatusForbidden, "Forbidden", "only your own namespace")
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for _, addr := range []string{"fd00:10:96::10", "fd00:10:244::1"} {
		if claims(t, c, addr) {
			t.Errorf("%s was known before", addr)
		}
	}
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	c.resolver.owners.clear() // decisions last a minute
	for _, address := range []string{"[fd00:10:96::10]:80", "[fd00:10:244::1]:8080", "192.168.77.2:80", "10.244.0.1:8080"} {
		host := strings.Trim(address[:strings.LastIndex(address, ":")], "[]")
		if !claims(t, c, host) {
			t.Errorf("%s is not claimed", host)
		}
		if err := dial(t, c, address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	known := c.Known()
	for _, want := range []string{"10.96.0.10/32", "fd00:10:96::10/128", "10.244.0.1/32", "192.168.77.2/32"} {
		if !slices.Contains(known, netip.MustParsePrefix(want)) {
			t.Errorf("%s is not known: %v", want, known)
		}
	}
	for _, p := range known {
		if p.Contains(netip.MustParseAddr("203.0.113.7")) || p.Contains(netip.MustParseAddr("192.168.77.1")) || p.Contains(netip.MustParseAddr(nodeAddress)) {
			t.Errorf("%v is known", p)
		}
	}
	// A hint is checked before it counts: an address that moved does not lead to its former Pod.
	server.mu.Lock()
	server.services["team/web"].Status.LoadBalancer.Ingress = nil
	server.mu.Unlock()
	c.resolver.services.clear()
	c.resolver.owners.clear()
	if claims(t, c, "192.168.77.2") {
		t.Error("an address that the Service has no more is claimed")
	}
}

// The author of a Service chooses its externalIPs freely: any host of the user's network, or another Service's address.
func TestAnExternalIPIsInTheClusterOnlyByThePolicy(t *testing.T) {
	server := addressed(t)
	server.services["team/web"].Spec.ExternalIPs = []string{"192.168.77.1", "10.96.0.77", "172.31.9.9"}
	server.add("other", "victim", "victim-1")
	server.services["other/victim"].Spec.ClusterIP = "10.96.0.77"
	for _, kind := range []corev1.ServiceType{corev1.ServiceTypeClusterIP, corev1.ServiceTypeLoadBalancer} {
		server.services["team/web"].Spec.Type = kind
		carrier := &fakeCarrier{}
		c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
		if err := dial(t, c, "web.team.svc:80"); err != nil { // now its addresses have been seen
			t.Fatal(err)
		}
		if claims(t, c, "192.168.77.1") {
			t.Errorf("%s: it is claimed", kind)
		}
		var absent *fault.NotFound
		if err := dial(t, c, "192.168.77.1:80"); !errors.As(err, &absent) {
			t.Errorf("%s: a dial gives %v", kind, err)
		}
		c.SetPolicy(Policy{Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix("10.96.0.0/16")}})
		c.resolver.owners.clear()
		c.resolver.balancers.clear()
		for address, want := range map[string]string{"192.168.77.1:80": "web-1", "10.96.0.77:80": "victim-1", "172.31.9.9:8080": "stray"} {
			if err := dial(t, c, address); err != nil {
				t.Errorf("%s: with the settings, %s gives %v", kind, address, err)
				continue
			}
			if dials := carrier.dialled(); dials[len(dials)-1][0].Pod != want {
				t.Errorf("%s: %s leads to %v", kind, address, dials[len(dials)-1])
			}
		}
	}
}

func TestThePolicySaysWhichAddressesAreTheClusters(t *testing.T) {
	server := addressed(t)
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	c.SetPolicy(Policy{Addresses: []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("::ffff:10.50.0.0/112"),
	}})
	for host, want := range map[string]bool{"203.0.113.8": true, "203.0.114.1": false, "10.50.1.1": true} {
		if got := claims(t, c, host); got != want {
			t.Errorf("Lookup(%s) = %v", host, got)
		}
	}
	if asked := server.requests(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
	if err := dial(t, c, "203.0.113.8:80"); err != nil {
		t.Errorf("the load balancer: %v", err)
	}
	var absent *fault.NotFound
	if err := dial(t, c, "203.0.113.99:80"); !errors.As(err, &absent) || absent.Kind != fault.Address {
		t.Errorf("an address without an owner: %v", err)
	}
	if !slices.Contains(c.Ranges(t.Context()), netip.MustParsePrefix("10.96.0.0/16")) {
		t.Errorf("%v", c.Ranges(t.Context()))
	}
}

func TestWithoutAnAnswerADecisionHoldsAndNoneIsMade(t *testing.T) {
	server := addressed(t)
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	decided := map[string]bool{"10.7.7.7": false, "172.31.9.9": true, "web.team": true, "example.com": false}
	for host, want := range decided {
		if got := claims(t, c, host); got != want {
			t.Errorf("Lookup(%s) = %v", host, got)
		}
	}
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "no")
		return true
	})
	var away *fault.Unreachable
	if err := dial(t, c, "lost:80"); !errors.As(err, &away) {
		t.Fatalf("%v", err)
	}
	for host, want := range decided {
		if got := claims(t, c, host); got != want {
			t.Errorf("afterwards Lookup(%s) = %v", host, got)
		}
	}
	for _, host := range []string{"10.66.6.6", "172.29.66.66", "192.168.166.6", "web.dev", "db-0.db.lan"} {
		if claimed, err := inCluster(t.Context(), c, host); claimed || !errors.As(err, &away) {
			t.Errorf("Lookup(%s) = %v, %v", host, claimed, err)
		}
	}
	if err := dial(t, c, "10.66.6.6:80"); !errors.As(err, &away) {
		t.Errorf("an address that was not decided on: %v", err)
	}
}

func TestLookupEndsWithItsContext(t *testing.T) {
	server := newAPIServer(t)
	hold := make(chan struct{})
	server.misbehave(func(http.ResponseWriter, *http.Request) bool { <-hold; return false })
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	t.Cleanup(func() { close(hold) })
	for _, host := range []string{"web.dev", "10.7.7.7"} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			_, err := inCluster(ctx, c, host)
			done <- err
		}()
		waitFor(t, "a question", func() bool { return len(server.requests()) > 0 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// API servers before 1.31 have no field selectors for a Service's type and ClusterIP.
func TestAnAPIServerWithoutTheFieldSelectorsWorksOtherwise(t *testing.T) {
	server := addressed(t)
	server.nodes, server.ranges = nil, nil
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Query().Get("fieldSelector"), "spec.") {
			return false
		}
		fail(w, http.StatusBadRequest, "BadRequest", `field label not supported: spec.clusterIP`)
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, func(err error) {
		if err != nil {
			t.Errorf("health: %v", err)
		}
	})
	if err := dial(t, c, "web:80"); err != nil {
		t.Error(err)
	}
	if !claims(t, c, "172.31.9.9") || !claims(t, c, "10.96.0.10") || claims(t, c, "10.7.7.7") {
		t.Error("what can be known without those questions is not")
	}
}

// Ranges are waited for only if they decide. Next to the questions of a lookup and of a dial they would need connections of
// their own to the API server, so the lookup of an address with an owner does not ask for them, and the dial does so last.
func TestAnAddressWithAnOwnerDoesNotWaitForTheRanges(t *testing.T) {
	server := addressed(t)
	hold := make(chan struct{})
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/nodes") {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		return false
	})
	var c *Cluster
	asksForRanges := func() bool { return c.resolver.ranges.size() > 0 }
	var early bool
	c = start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{refuse: func([]endpoint) error {
		early = asksForRanges()
		return nil
	}}, nil)
	host, err := c.Lookup(t.Context(), "172.31.9.9")
	if err != nil || !host.InCluster {
		t.Fatalf("a Pod's address: %+v, %v", host, err)
	}
	if asksForRanges() {
		t.Error("the lookup asks for the ranges")
	}
	conn, err := host.DialContext(t.Context(), "tcp", "172.31.9.9:80")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if early {
		t.Error("the ranges are asked for before the dial")
	}
	close(hold)
	waitFor(t, "the ranges", func() bool { return len(c.resolver.knownRanges()) > 0 })
}

func TestADecisionIsLoggedOnce(t *testing.T) {
	server := addressed(t)
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	var log bytes.Buffer
	c.log = zerolog.New(&log)
	for range 3 {
		claims(t, c, "web.dev")
		claims(t, c, "172.31.9.9")
		claims(t, c, "web")
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "web.dev") || !strings.Contains(lines[1], "Pod other/stray has it") {
		t.Errorf("%q", lines)
	}
}

func TestConcurrentQuestionsAreBounded(t *testing.T) {
	server := newAPIServer(t)
	hold, entered := make(chan struct{}), make(chan struct{}, 1000)
	server.misbehave(func(http.ResponseWriter, *http.Request) bool {
		entered <- struct{}{}
		<-hold
		return false
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	c.api.AttemptTimeout = api.RequestTimeout // so that no question is sent twice
	var wg sync.WaitGroup
	for i := range 3 * api.MaxQuestions {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			_, _ = c.DialContext(ctx, "tcp", fmt.Sprintf("web-%d:80", i))
		})
	}
	for range api.MaxQuestions {
		<-entered
	}
	if n := len(server.requests()); n != api.MaxQuestions {
		t.Errorf("%d questions at once", n)
	}
	close(hold)
	wg.Wait()
	if n := len(server.requests()); n <= 3*api.MaxQuestions { // a Service each, and their namespace
		t.Errorf("%d questions in all", n)
	}
}

// A namespace that is called com, with a Service example, does not have the Internet's example.com.
func TestPublicNamesStayPublic(t *testing.T) {
	server := newAPIServer(t)
	server.add("com", "example", "example-1")
	server.add("dev", "web", "web-1")
	server.add("app", "broken", "broken-1")
	server.add("team", "shop", "shop-1")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	var mu sync.Mutex
	looked := map[string]int{}
	public := func(_ context.Context, host string) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		looked[host]++
		if host == "broken.app" {
			return false, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
		}
		return host == "example.com" || host == "shop.team", nil
	}
	expect := func(policy Policy, want map[string]bool) {
		t.Helper()
		c.SetPolicy(policy)
		for host, want := range want {
			for range 2 {
				if got, err := inCluster(t.Context(), c, host); got != want || err != nil {
					t.Errorf("Lookup(%s) = %v, %v", host, got, err)
				}
			}
		}
	}
	expect(Policy{Public: public}, map[string]bool{
		"example.com": false, "EXAMPLE.com.": false, "example.com.svc": true, // no other network has names with the label svc
		"web.dev": true, "other.dev": false, "shop.team": true,
	})
	var failed *net.DNSError
	if got, err := inCluster(t.Context(), c, "broken.app"); got || !errors.As(err, &failed) {
		t.Errorf("where it cannot be found out: %v, %v", got, err)
	}
	if len(looked) != 3 || looked["example.com"] != 1 || looked["web.dev"] != 1 || looked["broken.app"] != 1 {
		t.Errorf("looked up %v", looked) // only names that are a Service's
	}
	expect(Policy{Public: public, Namespaces: []string{"com"}}, map[string]bool{"example.com": true})
	expect(Policy{Public: public, Namespace: "com"}, map[string]bool{"example.com": true})
	expect(Policy{Public: public}, map[string]bool{"example.com": false})
}

// The owner of a domain of the Internet can have a name below it that looks like that of a Service.
func TestNamesInADomainOfTheInternetStayPublic(t *testing.T) {
	server := newAPIServer(t)
	server.add("default", "admin", "admin-1")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	// A name that cannot be resolved now proves nothing: its owner may do that on purpose.
	public := func(context.Context, string) (bool, error) { return false, nil }
	policy := Policy{Public: public, Namespaces: []string{"default"}}
	for domain, want := range map[string]map[string]bool{
		"": {
			"admin.default.svc.attacker.com": false, "Admin.Default.svc.Attacker.com.": false, "10-1-2-3.default.pod.attacker.com": false,
			"db-0.admin.default.svc.attacker.com": false, "admin.default.svc.k8s.example.com": false, "admin.default.svc.k8s.corp": true,
			"admin.default.svc": true, "admin.default.svc.cluster.local": true, "10-1-2-3.default.pod.k8s.example.com": false,
		},
		"attacker.com": {"admin.default.svc.attacker.com": true, "10-1-2-3.default.pod.attacker.com": true, "admin.default.svc.x.attacker.com": false},
	} {
		policy.Domain = domain
		c.SetPolicy(policy)
		for host, want := range want {
			if got, err := inCluster(t.Context(), c, host); got != want || err != nil {
				t.Errorf("in %q, Lookup(%s) = %v, %v", domain, host, got, err)
			}
		}
	}
	policy.Domain = "attacker.com"
	c.SetPolicy(policy)
	conn, err := c.DialContext(t.Context(), "tcp", "admin.default.svc.attacker.com:80")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// A user who may create a Service called com and a Pod in the context's namespace must not get connections to a public site.
func TestAPodsNameThatTheInternetHasIsNotTheClusters(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "com", "mybank")
	server.services["team/com"].Spec.ClusterIP = "None"
	for _, public := range []bool{true, false} {
		c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
		c.SetPolicy(Policy{Public: func(context.Context, string) (bool, error) { return public, nil }})
		if got := claims(t, c, "mybank.com"); got == public {
			t.Errorf("other networks have it: %v, claimed: %v", public, got)
		}
	}
}

func TestADialUsesWhatItsLookupFound(t *testing.T) {
	server := addressed(t)
	server.ranges, server.nodes = nil, nil // so that an address has to be asked for
	server.add("dev", "app", "app-1")
	server.services["dev/app"].Spec.ClusterIP = "10.96.0.11"
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	for _, test := range []struct{ address, pod string }{{"172.31.9.9:8080", "stray"}, {"10.96.0.10:80", "web-1"}, {"app.dev:80", "app-1"}, {"web.team:80", "web-1"}} {
		name, _, _ := net.SplitHostPort(test.address)
		host, err := c.Lookup(t.Context(), name)
		if err != nil || !host.InCluster || host.Why == "" {
			t.Fatalf("%s: %+v, %v", name, host, err)
		}
		c.resolver.owners.clear()
		c.resolver.members.clear()
		before := len(server.requests())
		conn, err := host.DialContext(t.Context(), "tcp", test.address)
		if err != nil {
			t.Errorf("%s: %v", test.address, err)
			continue
		}
		conn.Close()
		if dials := carrier.dialled(); dials[len(dials)-1][0].Pod != test.pod {
			t.Errorf("%s leads to %v", test.address, dials[len(dials)-1])
		}
		for _, asked := range server.requests()[before:] {
			if strings.Contains(asked, "fieldSelector=") {
				t.Errorf("%s: the dial looks for the address again: %s", test.address, asked)
			}
		}
	}
}

func TestAHostIsDialledOnlyByItsOwnName(t *testing.T) {
	server := addressed(t)
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for _, test := range []struct {
		host, address string
		is            func(error) bool
	}{
		{"web.team", "web.team:80", func(err error) bool { return err == nil }},
		{"web.team", "other.team:80", func(err error) bool { return errors.As(err, new(*net.AddrError)) }},
		{"web.team", "web.team:0", func(err error) bool { return errors.As(err, new(*net.AddrError)) }},
		{"192.168.88.88", "192.168.88.88:80", func(err error) bool { return isAbsent(err, fault.Address) }},
		{"www.example.com", "www.example.com:80", func(err error) bool { return isAbsent(err, fault.Address) }},
		{"_x.team.svc", "_x.team.svc:80", func(err error) bool { return isAbsent(err, fault.Name) }},
	} {
		host, err := c.Lookup(t.Context(), test.host)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := host.DialContext(t.Context(), "tcp", test.address)
		if err == nil {
			conn.Close()
		}
		if !test.is(err) {
			t.Errorf("%s after a lookup of %s: %v", test.address, test.host, err)
		}
	}
}
