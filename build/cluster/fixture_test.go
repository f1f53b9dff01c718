package main

import (
	"slices"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestFixturesAreWhatTheyAreCalled(t *testing.T) {
	client := shared.client(t)
	endpoints := func(service string) (addresses []string, pods []string) {
		slicesOf, err := client.DiscoveryV1().EndpointSlices("default").List(t.Context(), metav1.ListOptions{
			LabelSelector: discoveryv1.LabelServiceName + "=" + service,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, slice := range slicesOf.Items {
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
					addresses = append(addresses, endpoint.Addresses...)
					if endpoint.TargetRef != nil {
						pods = append(pods, endpoint.TargetRef.Name)
					}
				}
			}
		}
		return addresses, pods
	}
	if addresses, _ := endpoints("web"); len(addresses) != 3 {
		t.Errorf("web: %v", addresses)
	}
	if _, pods := endpoints("db"); len(pods) != 2 || !slices.Contains(pods, "db-0") || !slices.Contains(pods, "db-1") {
		t.Errorf("db: %v", pods)
	}
	if addresses, pods := endpoints("manual"); len(addresses) != 1 || !strings.HasPrefix(addresses[0], "10.244.") || !slices.Equal(pods, []string{"manual"}) {
		t.Errorf("manual: %v, %v", addresses, pods)
	}
	if addresses, pods := endpoints("external"); !slices.Equal(addresses, []string{"192.0.2.10"}) || len(pods) != 0 {
		t.Errorf("external: %v, %v", addresses, pods)
	}
	if addresses, _ := endpoints("not-ready"); len(addresses) != 0 {
		t.Errorf("not-ready: %v", addresses)
	}
	services, err := client.CoreV1().Services("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range services.Items {
		switch service.Name {
		case "db":
			if service.Spec.ClusterIP != "None" {
				t.Errorf("db has the address %s", service.Spec.ClusterIP)
			}
		case "multi":
			if len(service.Spec.Ports) != 3 {
				t.Errorf("multi: %v", service.Spec.Ports)
			}
		case "web":
			if target := service.Spec.Ports[0].TargetPort.StrVal; target != "http" {
				t.Errorf("web: targetPort %q", target)
			}
		}
	}
}

func TestPodIsReplacedUnderItsName(t *testing.T) {
	before := shared.podStats(t, "default/db-1")
	shared.runKubectl(t, "delete", "pod", "db-1")
	eventually(t, "the new pod is ready", func() bool {
		now := shared.podStats(t, "default/db-1")
		return now.UID != before.UID && isReady(t, "db-1")
	})
	f := mustDial(t, shared, "spdy", "db-1").open(5432)
	f.send("new")
	if got := f.receive(len("new")); got != "new" {
		t.Errorf("%q", got)
	}
}
