package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead/build/objecttest"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"fairlead/kube/api"
	"fairlead/kube/fault"
)

// anyOrder returns the text of an error with the same address for either of two endpoints outside.
func anyOrder(err error) string { return strings.ReplaceAll(err.Error(), "192.0.2.11", "192.0.2.10") }

// A walk reports the steps of the dial that it makes, so it ends like any other dial: even if EndpointSlices made by hand
// lead back into the cluster, or another Pod accepts the connection that the first refuses.
func TestAWalkEndsAsADialDoes(t *testing.T) {
	server := newAPIServer(t)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/version" {
			fmt.Fprint(w, `{"gitVersion": "v1.99.0"}`)
		}
		return r.URL.Path == "/version"
	})
	server.add("team", "web", "web-1")
	server.add("team", "two", "bad", "good")
	server.services["team/two"].Spec.ClusterIP = "10.96.0.12"
	byHand := func(name string, addresses ...string) {
		server.add("team", name)
		server.services["team/"+name].Spec.ClusterIP = "10.96.0.13"
		server.slices["team/"+name] = []discoveryv1.EndpointSlice{objecttest.Slice(80)}
		for _, address := range addresses {
			server.slices["team/"+name][0].Endpoints = append(server.slices["team/"+name][0].Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
		}
	}
	byHand("back", "10.96.0.10") // the Service web
	byHand("out", "192.0.2.10", "192.0.2.11")
	server.add("team", "alias")
	server.services["team/alias"].Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "web.team.svc.cluster.local"}
	bad := func(endpoints []endpoint) error {
		if len(endpoints) == 1 && endpoints[0].Pod == "bad" {
			return &fault.NotFound{Kind: fault.Pod, Name: "bad", Namespace: "team"}
		}
		return nil
	}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{refuse: bad}, nil)
	for target, want := range map[string][]string{
		"web:80":             {StepName, StepService, StepEndpoints, StepPod, StepPort},
		"two:80":             {StepName, StepService, StepEndpoints, StepPod, StepPort},
		"alias:80":           {StepName, StepService, StepService, StepEndpoints, StepPod, StepPort},
		"back:80":            {StepName, StepService, StepEndpoints, StepService, StepEndpoints, StepPod, StepPort},
		"out:80":             {StepName, StepService, StepEndpoints},
		"web:81":             {StepName, StepService},
		"bad.team.pod:80":    {StepName, StepPod, StepPort},
		"_x.web.team.svc:80": {StepName},
	} {
		dialled := dial(t, c, target)
		names, steps, err := walked(t, c, target, (&outsideDialer{}).dial)
		if (err == nil) != (dialled == nil) || err != nil && !strings.HasSuffix(anyOrder(dialled), anyOrder(err)) {
			t.Errorf("%s: a dial gives %v, and a walk %v", target, dialled, err)
		}
		if got := names[len(toRights):]; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q: %+v", target, got, want, steps)
		}
	}

	out := &outsideDialer{refuse: "192.0.2.10"}
	c.SetPolicy(Policy{Outside: out.dial})
	for range 8 { // in any order
		if names, steps, err := walked(t, c, "out:80", nil); err != nil || names[len(names)-1] != StepOutside || !strings.HasPrefix(steps[StepOutside].Detail, "192.0.2.11:80 is open after ") {
			t.Errorf("outside: %q, %+v, %v", names, steps[StepOutside], err)
		}
	}
	c.SetPolicy(Policy{Outside: (&outsideDialer{refuse: "192.0.2."}).dial})
	if names, _, err := walked(t, c, "out:80", nil); err == nil || errors.As(err, new(*fault.Unsupported)) || names[len(names)-1] != StepOutside {
		t.Errorf("refused outside: %q, %v", names, err)
	}
}

// A question that ends while the walk makes its connection leaves a connection that net/http would use at once.
func TestAWalkAsksTheAPIServerOnANewConnection(t *testing.T) {
	server := newAPIServer(t)
	asked, answer, dialling, dialled := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/version" {
			fmt.Fprint(w, `{"gitVersion": "v1.36.3"}`)
			return true
		}
		once.Do(func() { close(asked); <-answer })
		return false
	})
	config, _, err := restConfig(server.kubeconfig(t, "{token: t}"), "test")
	if err != nil {
		t.Fatal(err)
	}
	var dials atomic.Int32
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) == 2 {
			close(dialling)
			<-dialled
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	a, err := api.New(api.Config{REST: config, Context: "test"}, api.NewHealth(nil))
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster("team", a, &fakeCarrier{}, testLog())
	run(t, c)
	var questions sync.WaitGroup
	questions.Go(func() { _, _ = a.May(t.Context(), getForward) })
	<-asked
	walks := make(chan string, 1)
	go func() {
		var detail string
		c.Walk(t.Context(), "", Outside{}, func(s Step) {
			if s.Name == StepServer {
				detail = s.Detail
			}
		})
		walks <- detail
	}()
	<-dialling
	close(answer)
	questions.Wait()
	close(dialled)
	if detail := <-walks; !strings.Contains(detail, "TCP ") || !strings.Contains(detail, "TLS ") || !strings.Contains(detail, "Kubernetes v1.36.3") {
		t.Errorf("API server %q", detail)
	}
}
