package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/objecttest"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"fairlead/kube/fault"
)

// onHost puts some of the server's Pods on their node's network.
func (s *apiServer) onHost(namespace, service string, pods ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.pods {
		if slices.Contains(pods, s.pods[i].Name) {
			s.pods[i].Spec.HostNetwork = true
			s.pods[i].Status.PodIP, s.pods[i].Status.PodIPs = nodeAddress, []corev1.PodIP{{IP: nodeAddress}}
		}
	}
	endpoints := s.slices[namespace+"/"+service][0].Endpoints
	for i := range endpoints {
		if slices.Contains(pods, endpoints[i].TargetRef.Name) {
			endpoints[i].Addresses = []string{nodeAddress}
		}
	}
}

func TestPodsOnTheirNodesNetworkAreRefusedUnlessAllowed(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "ingress", "ingress-0", "ingress-1")
	server.onHost("team", "ingress", "ingress-0", "ingress-1")
	server.add("team", "mixed", "plain", "shared")
	server.onHost("team", "mixed", "shared")
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	hosts := []string{"ingress:80", "ingress-0.ingress.team.svc:9", "ingress-0.team.pod:9", nodeAddress + ":9", "10-0-0-7.team.pod:9"}
	for range 2 {
		for _, address := range hosts {
			var shared *fault.HostNetwork
			if err := dial(t, c, address); !errors.As(err, &shared) || !strings.HasPrefix(shared.Pod, "ingress-") ||
				shared.Namespace != "team" || shared.Node != "node-1" {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	for range 20 {
		if err := dial(t, c, "mixed:80"); err != nil {
			t.Errorf("a Service with both kinds: %v", err)
		}
	}
	for _, endpoints := range carrier.dialled()[1:] { // the very first Pod was looked up during its dial
		if slices.ContainsFunc(endpoints, func(e endpoint) bool { return e.Pod != "plain" }) {
			t.Errorf("dialled %v", endpoints)
		}
	}
	looks := 0
	for _, request := range server.requests() {
		if strings.Contains(request, "/pods/") {
			looks++
		}
	}
	if looks > 3 { // one for the node's addresses, one for the Pod's name, and one for plain, which has its own network
		t.Errorf("looked at %d Pods: %q", looks, server.requests())
	}
	c.SetPolicy(Policy{HostNetwork: true})
	for _, address := range hosts {
		if err := dial(t, c, address); err != nil {
			t.Errorf("%s, allowed: %v", address, err)
		}
	}
	if !claims(t, c, nodeAddress) {
		t.Error("the node's address is not claimed, though allowed")
	}
}

// A Pod whose network cannot be found out is not allowed: the client gets the reason.
func TestAPodOnAnUnknownNetworkIsNotDialled(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "ingress", "ingress-0")
	server.onHost("team", "ingress", "ingress-0")
	server.misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/pods") {
			return false
		}
		<-r.Context().Done()
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if conn, err := c.DialContext(ctx, "tcp", "ingress:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connection %v, %v", conn, err)
	}
}

// A user without the right to get Pods may still forward to them.
func TestPodsThatMayNotBeLookedAtAreDialled(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1", "web-2")
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/pods") {
			return false
		}
		fail(w, http.StatusForbidden, "Forbidden", "no Pods")
		return true
	})
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	for range 5 {
		for _, address := range []string{"web:80", "web-1.web.team.svc:1"} {
			if err := dial(t, c, address); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if asked := server.requests(); len(asked) != 3 {
		t.Errorf("asked %q", asked)
	}
	if err := dial(t, c, "web-1.team.pod:1"); err != nil {
		t.Errorf("by its own name: %v", err)
	}
	dials := carrier.dialled()
	if got, want := dials[len(dials)-1], []endpoint{{Namespace: "team", Pod: "web-1", Port: 1}}; !slices.Equal(got, want) {
		t.Errorf("by its own name: dialled %v", got)
	}
}

// An outsideDialer records the addresses that it dials, and refuses some of them.
type outsideDialer struct {
	refuse string

	mu   sync.Mutex
	went []string
}

func (o *outsideDialer) dial(_ context.Context, network, address string) (net.Conn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.went = append(o.went, network+" "+address)
	if o.refuse != "" && strings.HasPrefix(address, o.refuse) {
		return nil, errors.New("refused out there")
	}
	near, far := net.Pipe()
	far.Close()
	return near, nil
}

func TestWhatIsNoPodIsDialledOutsideWhenThePolicyAllows(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	alias := func(name, external string) {
		server.add("team", name)
		server.services["team/"+name].Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: external}
	}
	alias("site", "www.Example.com.")
	alias("twice", "site.team.svc.cluster.local")
	alias("database", "db.corp")
	server.add("team", "manual")
	ready := discoveryv1.EndpointConditions{}
	server.slices["team/manual"] = []discoveryv1.EndpointSlice{objecttest.Slice(5432)}
	server.slices["team/manual"][0].Endpoints = []discoveryv1.Endpoint{
		{Addresses: []string{"192.0.2.10"}, Conditions: ready}, {Addresses: []string{"2001:db8::10"}, Conditions: ready},
	}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for _, name := range []string{"site", "twice", "database", "manual"} {
		if err := dial(t, c, name+":80"); !errors.As(err, new(*fault.Unsupported)) {
			t.Errorf("%s without a way out: %v", name, err)
		}
	}
	out := &outsideDialer{refuse: "192.0.2.10"}
	c.SetPolicy(Policy{Outside: out.dial})
	for _, name := range []string{"site:443", "twice:80", "database:5432", "manual:80", "web:80"} {
		if err := dial(t, c, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, want := range []string{"tcp www.Example.com:443", "tcp www.Example.com:80", "tcp db.corp:5432", "tcp [2001:db8::10]:5432"} {
		if !slices.Contains(out.went, want) {
			t.Errorf("not %s, but %q", want, out.went)
		}
	}
}

// An invalid host in an object is not dialled.
func TestWhatIsNoHostIsNotDialled(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "odd")
	server.services["team/odd"].Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "a\nb/../c@d"}
	server.add("team", "manual")
	server.slices["team/manual"] = []discoveryv1.EndpointSlice{objecttest.Slice(5432)}
	server.slices["team/manual"][0].Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"x\x00y:22"}}}
	out := &outsideDialer{}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	c.SetPolicy(Policy{Outside: out.dial, Namespace: "../kube-system"})
	for _, address := range []string{"odd:80", "manual:80"} {
		if err := dial(t, c, address); err == nil || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if len(out.went) != 0 || c.Namespace() != "team" {
		t.Errorf("went to %q, in namespace %s", out.went, c.Namespace())
	}
}

func TestAPodOfItsOwnNameIsLookedAt(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1", "ended", "waiting")
	server.pods[1].Status.Phase = corev1.PodSucceeded
	server.pods[2].Status.Phase = corev1.PodPending
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	if err := dial(t, c, "web-1.team.pod:4444"); err != nil {
		t.Error(err)
	}
	if dials := carrier.dialled(); len(dials) != 1 || dials[0][0] != at("team", "web-1", "uid-web-1", 4444) {
		t.Errorf("dialled %v", dials)
	}
	var absent *fault.NotFound
	if err := dial(t, c, "lost.team.pod:1"); !errors.As(err, &absent) || absent.Kind != fault.Pod || absent.Name != "lost" {
		t.Errorf("%v", err)
	}
	for _, pod := range []string{"ended", "waiting"} {
		var none *fault.NoEndpoints
		if err := dial(t, c, pod+".team.pod:1"); !errors.As(err, &none) || none.Pod != pod {
			t.Errorf("%s: %v", pod, err)
		}
	}
}

func TestNamesThatCarryNoNamespaceFollowThePolicy(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "here")
	server.add("other", "web", "there")
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	for _, namespace := range []string{"", "other", ""} {
		c.SetPolicy(Policy{Namespace: namespace})
		if err := dial(t, c, "web:80"); err != nil {
			t.Error(err)
		}
	}
	var pods []string
	for _, endpoints := range carrier.dialled() {
		pods = append(pods, endpoints[0].Pod)
	}
	if !slices.Equal(pods, []string{"here", "there", "here"}) || c.Namespace() != "team" {
		t.Errorf("%v, and namespace %s", pods, c.Namespace())
	}
}

// A Service may lead to its own address by hand-made EndpointSlices.
func TestAddressesThatLeadInCirclesEnd(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "circle")
	server.slices["team/circle"] = []discoveryv1.EndpointSlice{objecttest.Slice(80)}
	server.slices["team/circle"][0].Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"10.96.0.10"}}}
	out := &outsideDialer{}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	c.SetPolicy(Policy{Outside: out.dial})
	for _, address := range []string{"circle:80", "10.96.0.10:80"} {
		if err := dial(t, c, address); !errors.As(err, new(*fault.Unsupported)) || !strings.Contains(err.Error(), "without end") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if len(out.went) != 0 {
		t.Errorf("went to %q", out.went)
	}
}
