package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// One more request is for the Pod: only the Pod says whether it shares its node's network.
func TestFirstConnectionToANameCostsTwoRequestsAndTheNextNone(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "other", "other-1")
	server.add("team", "web", "web-1")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	if err := dial(t, c, "other:80"); err != nil {
		t.Fatal(err)
	}
	before := server.requests()
	if len(before) != 3 || !strings.HasSuffix(before[2], "/pods/other-1") {
		t.Errorf("asked %q", before)
	}
	for _, host := range []string{"web", "WEB.team.svc.", "web.team.svc.cluster.local"} {
		if err := dial(t, c, host+":80"); err != nil {
			t.Fatal(err)
		}
	}
	asked := server.requests()[3:]
	if len(asked) != 3 || !strings.HasSuffix(asked[2], "/pods/web-1") {
		t.Fatalf("asked %q", asked)
	}
	for _, request := range asked {
		if !strings.Contains(request, "/namespaces/team/") || !strings.HasPrefix(request, "GET ") {
			t.Errorf("%s is not a question about the namespace", request)
		}
	}
}

func TestManyDialsOfOneNameShareItsRequests(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if err := dial(t, c, "web:80"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked := server.requests(); len(asked) != 3 { // with one for the Pod
		t.Errorf("asked %q", asked)
	}
}

func TestADialThatEndsKeepsTheRequestOfOthers(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	hold, entered := make(chan struct{}), make(chan struct{}, 10)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		entered <- struct{}{}
		<-hold
		return false
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	left, stayed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := c.DialContext(ctx, "tcp", "web:80")
		left <- err
	}()
	<-entered
	go func() { stayed <- dial(t, c, "web:80") }()
	waitFor(t, "two dials to wait for one answer", func() bool {
		services := c.resolver.services
		services.mu.Lock()
		defer services.mu.Unlock()
		e := services.entries[objects.ServiceKey{Namespace: "team", Name: "web"}]
		return e != nil && e.flight != nil && e.flight.waiting == 2
	})
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled dial: %v", err)
	}
	close(hold)
	if err := <-stayed; err != nil {
		t.Errorf("the dial that stayed: %v", err)
	}
	if asked := server.requests(); len(asked) != 3 {
		t.Errorf("asked %q", asked)
	}
}

func TestAPodThatIsGoneIsReplacedWithinADial(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "old")
	carrier := &fakeCarrier{refuse: func(endpoints []endpoint) error {
		if endpoints[0].Pod == "old" {
			return &fault.NotFound{Kind: fault.Pod, Name: "old", Namespace: "team"}
		}
		return nil
	}}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	var gone *fault.NotFound
	if err := dial(t, c, "web:80"); !errors.As(err, &gone) || gone.Kind != fault.Pod {
		t.Fatalf("with the old Pod alone: %v", err)
	}
	server.add("team", "web", "new")
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatalf("after a rollout: %v", err)
	}
	dials := carrier.dialled()
	if last := dials[len(dials)-1]; len(last) != 1 || last[0] != behind("web:80", at("team", "new", "uid-new", 8080)) {
		t.Errorf("dialled %v", last)
	}
}

func TestReadyEndpointsShareTheDials(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a", "b", "c")
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	looked := func() int {
		c.resolver.networks.mu.Lock()
		defer c.resolver.networks.mu.Unlock()
		return len(c.resolver.networks.pods)
	}
	warm := 0
	for ; looked() < 3; warm++ { // a Pod is asked for when it is the first to try
		if err := dial(t, c, "web:80"); err != nil {
			t.Fatal(err)
		}
	}
	const dials = 300
	for range dials {
		if err := dial(t, c, "web:80"); err != nil {
			t.Fatal(err)
		}
	}
	first := map[string]int{}
	for _, endpoints := range carrier.dialled()[warm:] {
		if len(endpoints) != 3 {
			t.Fatalf("%v", endpoints)
		}
		first[endpoints[0].Pod]++
	}
	for pod, n := range first {
		if n < dials/6 {
			t.Errorf("Pod %s was first %d times of %d", pod, n, dials)
		}
	}
	if len(first) != 3 {
		t.Errorf("first were %v", first)
	}
}

func TestAliasesAreFollowedAndDoNotRunInCircles(t *testing.T) {
	server := newAPIServer(t)
	server.add("other", "web", "web-1")
	alias := func(name, external string) {
		server.add("team", name)
		server.services["team/"+name].Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: external}
	}
	alias("inside", "web.other.svc.cluster.local.")
	alias("twice", "inside.team.svc.cluster.local")
	alias("outside", "www.example.com")
	alias("short", "web")
	alias("me", "you.team.svc.cluster.local")
	alias("you", "me.team.svc.cluster.local")
	alias("member", "web-1.web.other.svc.cluster.local")
	alias("address", "10-244-0-1.other.pod.cluster.local")
	alias("pod", "web-1.other.pod")
	alias("wrong", "web.other.cluster.local")
	alias("record", "_http._tcp.web.other.svc.cluster.local.")
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	c.SetPolicy(Policy{Outside: func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, fmt.Errorf("%s went outside", address)
	}})
	names := []string{"inside", "twice", "member", "address", "pod"}
	for _, name := range names {
		if err := dial(t, c, name+":80"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if dials := carrier.dialled(); len(dials) != len(names) || dials[1][0].Namespace != "other" || dials[4][0].Pod != "web-1" {
		t.Errorf("dialled %v", dials)
	}
	for _, name := range []string{"wrong", "record"} {
		if err := dial(t, c, name+":80"); !isAbsent(err, fault.Name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.SetPolicy(Policy{})
	for name, want := range map[string]string{"outside": "www.example.com, which is outside", "short": "for web, which is outside", "me": "without end"} {
		var unsupported *fault.Unsupported
		if err := dial(t, c, name+":80"); !errors.As(err, &unsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestADoubtfulNameIsTheClustersWhenThereIsSuchAService(t *testing.T) {
	server := newAPIServer(t)
	server.add("dev", "web", "web-1")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for host, want := range map[string]bool{
		"web.dev": true, "WEB.dev.": true, "example.com": false, "www.example.com": false, "web": true, "localhost": false, "8.8.8.8": false,
		"web-0.web.dev": false, "www.example.lan": false, "web-1.web.dev.svc": true,
	} {
		for range 3 {
			if got, err := inCluster(context.Background(), c, host); got != want || err != nil {
				t.Errorf("Lookup(%s) = %v, %v", host, got, err)
			}
		}
	}
	// Three names, and the Services com and dev in the context's own namespace: two of the names may be Pods of those.
	if asked := server.requests(); len(asked) != 5 {
		t.Errorf("asked %q", asked)
	}
	if err := dial(t, c, "web.dev:80"); err != nil {
		t.Error(err)
	}
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		fail(w, http.StatusForbidden, "Forbidden", "no")
		return true
	})
	if got, err := inCluster(context.Background(), c, "web.prod"); got || err != nil {
		t.Errorf("a Service that may not be looked at: %v, %v", got, err)
	}
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "no")
		return true
	})
	if got, err := inCluster(context.Background(), c, "web.app"); got || !errors.As(err, new(*fault.Unreachable)) {
		t.Errorf("an API server that does not answer: %v, %v", got, err)
	}
}

// searched returns a server with a headless Service in the context's namespace, and a Service elsewhere with a name like
// that of one of its Pods.
func searched(t *testing.T) *apiServer {
	server := newAPIServer(t)
	server.add("team", "db", "db-0", "db-1")
	server.services["team/db"].Spec = corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}
	server.slices["team/db"][0].Ports = nil
	server.slices["team/db"][0].Endpoints[0].Hostname = new("primary")
	server.slices["team/db"][0].Endpoints[1].Conditions.Ready = new(false)
	server.add("db", "primary", "another")
	return server
}

// A name of two labels is a Service's or, if there is no such Service, that of a Pod in the context's own namespace.
func TestANameOfTwoLabelsMayBeAPods(t *testing.T) {
	server := searched(t)
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	if err := dial(t, c, "db-0.db:5432"); err != nil {
		t.Fatal(err)
	}
	// The Service db-0 in namespace db and the Service db with their EndpointSlices, and a Pod.
	if asked := server.requests(); len(asked) > 5 {
		t.Errorf("asked %q", asked)
	}
	before := len(server.requests())
	for _, host := range []string{"db-0.db", "DB-0.db."} {
		if err := dial(t, c, host+":77"); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if asked := server.requests()[before:]; len(asked) != 0 {
		t.Errorf("a second time asked %q", asked)
	}
	if err := dial(t, c, "primary.db:80"); err != nil {
		t.Fatal(err)
	}
	dials := carrier.dialled()
	if last := dials[len(dials)-1]; last[0] != behind("primary:80", at("db", "another", "uid-another", 8080)) {
		t.Errorf("a Service that is there: %v", last)
	}
	if dials[1][0] != at("team", "db-0", "uid-db-0", 77) {
		t.Errorf("the Pod: %v", dials)
	}
	if err := dial(t, c, "db-1.db:80"); !errors.As(err, new(*fault.NoEndpoints)) {
		t.Errorf("a Pod that is not ready: %v", err)
	}
	for host, want := range map[string]fault.NotFound{
		"db-9.db":    {Kind: fault.Service, Name: "db-9", Namespace: "db"}, // because that namespace exists
		"db-9.lost":  {Kind: fault.Namespace, Name: "lost"},
		"web.db.svc": {Kind: fault.Service, Name: "web", Namespace: "db"}, // with the label svc it cannot be a Pod's
	} {
		var absent *fault.NotFound
		if err := dial(t, c, host+":80"); !errors.As(err, &absent) || facts(absent) != facts(&want) {
			t.Errorf("%s: %v, want %v", host, err, want)
		}
	}
	delete(server.services, "db/primary")
	c.resolver.services.clear()
	c.resolver.missing.clear()
	var absent *fault.NotFound
	if err := dial(t, c, "db-8.db:80"); !errors.As(err, &absent) || absent.Kind != fault.Pod || absent.Namespace != "team" {
		t.Errorf("a Pod that is not there, and no namespace of that name: %v", err)
	}
}

// A user with rights in one namespace does not learn what there is in others.
func TestAPodsShortNameNeedsNoRightElsewhere(t *testing.T) {
	server := searched(t)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/namespaces/team/") {
			return false
		}
		fail(w, http.StatusForbidden, "Forbidden", "only your own namespace")
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for _, host := range []string{"db-0.db", "primary.db"} {
		if err := dial(t, c, host+":80"); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := dial(t, c, "web.lost:80"); !api.IsForbidden(err) {
		t.Errorf("a name that leads nowhere: %v", err)
	}
}

// A Service may have the name of a top-level domain. Of the names below it, only its own Pods are in the cluster.
func TestAPodsShortNameMayBeDoubtful(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "app", "app-0")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for range 2 {
		for host, want := range map[string]bool{"app-0.app": true, "www.app": false, "example.com": false} {
			if got := claims(t, c, host); got != want {
				t.Errorf("Lookup(%s) = %v", host, got)
			}
		}
	}
	if err := dial(t, c, "app-0.app:80"); err != nil {
		t.Error(err)
	}
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "no")
		return true
	})
	if err := dial(t, c, "lost:80"); !errors.As(err, new(*fault.Unreachable)) {
		t.Fatal(err)
	}
	if !claims(t, c, "app-0.app") {
		t.Error("the last decision does not hold")
	}
}

// Hosts that end like the cluster's names are never looked up in other DNS servers, even if they are invalid.
func TestHostsWithTheClustersSuffixesNeverLeave(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "beyond")
	beyond := &server.slices["team/beyond"][0]
	beyond.AddressType, beyond.Endpoints = discoveryv1.AddressTypeFQDN, []discoveryv1.Endpoint{{Addresses: []string{"x.lost.svc"}}}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	c.SetPolicy(Policy{Outside: func(_ context.Context, _, address string) (net.Conn, error) {
		t.Errorf("%s went outside", address)
		return nil, net.ErrClosed
	}})
	for host, want := range map[string]fault.Kind{
		"_http._tcp.web.team.svc": fault.Name, "*.team.svc": fault.Name, "web.cluster.local": fault.Name,
		"web.team.pod.cluster.local": fault.Name, "127-0-0-1.team.pod": fault.Name, "web..svc": fault.Name,
		"web.v1.team.pod": fault.Pod, "a.b.lost.team.svc": fault.Service, "beyond": fault.Namespace,
	} {
		if !claims(t, c, host) {
			t.Errorf("%s is not claimed", host)
		}
		if err := dial(t, c, host+":80"); !isAbsent(err, want) {
			t.Errorf("%s: %v, want no such %s", host, err, want)
		}
	}
}

func TestAnAddressIsAServicesOrAPods(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	pod := func(name, ip string, phase corev1.PodPhase, ready, hostNetwork bool) {
		condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
		if ready {
			condition.Status = corev1.ConditionTrue
		}
		server.pods = append(server.pods, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: name, UID: "uid"},
			Spec:       corev1.PodSpec{HostNetwork: hostNetwork},
			Status:     corev1.PodStatus{PodIP: ip, Phase: phase, Conditions: []corev1.PodCondition{condition}},
		})
	}
	pod("not-ready", "10.244.1.1", corev1.PodRunning, false, false)
	pod("ready", "10.244.1.1", corev1.PodRunning, true, false)
	pod("node", "10.0.0.7", corev1.PodRunning, true, true)
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	for _, address := range []string{"10.96.0.10:80", "10.244.1.1:9999", "[::ffff:10.244.1.1]:9999", "10-244-1-1.other.pod:1"} {
		if err := dial(t, c, address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	want := []endpoint{
		behind("web:80", at("team", "web-1", "uid-web-1", 8080)),
		at("other", "ready", "uid", 9999), at("other", "ready", "uid", 9999), at("other", "ready", "uid", 1),
	}
	for i, endpoints := range carrier.dialled() {
		if len(endpoints) != 1 || endpoints[0] != want[i] {
			t.Errorf("dial %d went to %v, want %v", i, endpoints, want[i])
		}
	}
	var shared *fault.HostNetwork
	if err := dial(t, c, "10.0.0.7:80"); !errors.As(err, &shared) || shared.Pod != "node" {
		t.Errorf("a node's address: %v", err)
	}
	var absent *fault.NotFound
	if err := dial(t, c, "10.9.9.9:80"); !errors.As(err, &absent) || absent.Kind != fault.Address || absent.Name != "10.9.9.9" {
		t.Errorf("an address without an owner: %v", err)
	}
}

func TestAddressesFallBackToTheContextsNamespace(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/namespaces/team/") {
			return false
		}
		fail(w, http.StatusForbidden, "Forbidden", "only your own namespace")
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	if err := dial(t, c, "10.96.0.10:80"); err != nil {
		t.Errorf("%v after %q", err, server.requests())
	}
	var absent *fault.NotFound
	if err := dial(t, c, "10.9.9.9:80"); !errors.As(err, &absent) || absent.Kind != fault.Address {
		t.Errorf("an address without an owner: %v", err)
	}
}

func TestDialsThatAreNoTargets(t *testing.T) {
	c := start(t, newAPIServer(t).kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for address, want := range map[string]string{
		"web":                "missing port",
		"web:http_alt":       "invalid port", // neither a number nor a name
		"web:0":              "invalid port",
		"web:65536":          "invalid port",
		"web:-1":             "invalid port",
		"www.example.com:80": "no address www.example.com",
		"127.0.0.1:80":       "no address 127.0.0.1",
		":80":                "no address",
	} {
		if err := dial(t, c, address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dial %q: %v, want %q", address, err, want)
		}
	}
	if _, err := c.DialContext(context.Background(), "udp", "web:80"); !errors.As(err, new(net.UnknownNetworkError)) {
		t.Errorf("udp: %v", err)
	}
}

func TestAnswersExpire(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "other", "x")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	var absent *fault.NotFound
	if err := dial(t, c, "web:80"); !errors.As(err, &absent) || absent.Kind != fault.Service || absent.Name != "web" || absent.Namespace != "team" {
		t.Fatalf("%v", err)
	}
	if err := dial(t, c, "web.lost:80"); !errors.As(err, &absent) || absent.Kind != fault.Namespace || absent.Name != "lost" {
		t.Errorf("%v", err)
	}
	server.add("team", "web", "web-1")
	waitFor(t, "the new Service to be found", func() bool { return dial(t, c, "web:80") == nil })
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newCache[int](func(int, error) shelfLife { return shelfLife{fresh: time.Hour} })
	for i := range 3 * maxCached {
		if got, _, err := c.get(context.Background(), i, func(context.Context) (int, error) { return i, nil }); got != i || err != nil {
			t.Fatalf("get(%d) = %d, %v", i, got, err)
		}
	}
	c.stop()
	if n := c.size(); n > maxCached {
		t.Errorf("%d entries", n)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute) // machines may be busy
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
