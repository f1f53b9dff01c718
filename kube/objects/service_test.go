package objects

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fairlead/build/objecttest"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead/kube/api"
	"fairlead/kube/fault"
)

func TestPortsOfAServiceLeadToItsPods(t *testing.T) {
	tcp, udp := corev1.ProtocolTCP, corev1.ProtocolUDP
	port := func(name string, number int32, protocol corev1.Protocol) corev1.ServicePort {
		return corev1.ServicePort{Name: name, Port: number, Protocol: protocol}
	}
	slice := func(ports []discoveryv1.EndpointPort, endpoints ...discoveryv1.Endpoint) discoveryv1.EndpointSlice {
		return discoveryv1.EndpointSlice{Ports: ports, Endpoints: endpoints}
	}
	at := func(name string, number int32, protocol corev1.Protocol) discoveryv1.EndpointPort {
		return discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &protocol}
	}
	pod := func(name string, conditions discoveryv1.EndpointConditions) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{"10.244.0.1"}, Conditions: conditions, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name}}
	}
	ready := discoveryv1.EndpointConditions{Ready: new(true)}
	notReady := discoveryv1.EndpointConditions{Ready: new(false)}
	ending := discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
	ended := discoveryv1.EndpointConditions{Ready: new(false), Serving: new(false), Terminating: new(true)}
	ports := func(p ...discoveryv1.EndpointPort) []discoveryv1.EndpointPort { return p }
	for name, test := range map[string]struct {
		spec   corev1.ServiceSpec
		slices []discoveryv1.EndpointSlice
		port   int
		want   string // endpoints, or part of the error
	}{
		"by name": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("a", 80, tcp), port("b", 81, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("b", 9001, tcp), at("a", 9000, tcp)), pod("p", ready))}, 80, "p:9000",
		},
		"unnamed": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("", 8080, tcp)), pod("p", discoveryv1.EndpointConditions{}))}, 80, "p:8080",
		},
		"slices with different ports": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{
				slice(ports(at("http", 8080, tcp)), pod("old", ending)),
				slice(ports(at("http", 9090, tcp)), pod("new", ready)),
			}, 80, "new:9090 old:8080",
		},
		"two families count once": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("p", ready)), slice(ports(at("http", 8080, tcp)), pod("p", ready))}, 80, "p:8080",
		},
		"terminating last": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("ending", ending), pod("ended", ended), pod("not", notReady), pod("p", ready))}, 80, "p:8080 ending:8080",
		},
		"published though not ready, and ending": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)),
				pod("ending", discoveryv1.EndpointConditions{Ready: new(true), Terminating: new(true)}), pod("p", ready))}, 80, "p:8080 ending:8080",
		},
		"any port": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(discoveryv1.EndpointPort{Name: new("http")}), pod("p", ready))}, 80, "p:80",
		},
		"TCP next to UDP": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("dns", 53, udp), port("dns-tcp", 53, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("dns", 5353, udp), at("dns-tcp", 5354, tcp)), pod("p", ready))}, 53, "p:5354",
		},
		"UDP only": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("dns", 53, udp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("dns", 53, udp)), pod("p", ready))}, 53, "port 53 of Service ns/svc is UDP only",
		},
		"unknown port": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp), port("", 443, tcp), port("dns", 53, udp)}},
			nil, 8080, "has no TCP port 8080 (it has 80 (http), 443)",
		},
		"the target port is no port of the Service": {
			corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("p", ready))}, 8080, "has no TCP port 8080",
		},
		"headless by the Pods' own port": {
			corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("p", ready))}, 8080, "p:8080",
		},
		"headless by the Service's port": {
			corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("p", ready))}, 80, "p:8080",
		},
		"headless without ports": {
			corev1.ServiceSpec{ClusterIP: "None"},
			[]discoveryv1.EndpointSlice{slice(nil, pod("p", ready), pod("q", notReady))}, 8080, "p:8080",
		},
		"headless by a port that no slice lists": {
			corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("p", ready), pod("r", ending))}, 9100, "p:9100 r:9100",
		},
		"headless by the own port of some Pods": {
			corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{
				slice(ports(at("http", 8080, tcp)), pod("old", ready)), slice(ports(at("http", 9090, tcp)), pod("new", ready)),
			}, 9090, "new:9090",
		},
		"headless by a listed port that no Pod names": {
			corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(nil, pod("p", ready))}, 80, "p:80",
		},
		"headless by a port that is listed for UDP": {
			corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{port("dns", 53, udp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("dns", 53, udp)), pod("p", ready))}, 53, "p:53",
		},
		"headless without ready Pods": {
			corev1.ServiceSpec{ClusterIP: "None", Selector: map[string]string{"a": "b"}},
			[]discoveryv1.EndpointSlice{slice(nil, pod("p", notReady))}, 8080, "has no ready endpoint (1 not ready)",
		},
		"headless without Pods": {
			corev1.ServiceSpec{ClusterIP: "None", Selector: map[string]string{"a": "b"}}, nil, 8080, "no Pod matches its selector",
		},
		"headless with an endpoint that is not a Pod": {
			corev1.ServiceSpec{ClusterIP: "None"},
			[]discoveryv1.EndpointSlice{slice(nil, discoveryv1.Endpoint{Addresses: []string{"192.0.2.10"}})}, 5432, "192.0.2.10:5432",
		},
		"none ready": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}, Selector: map[string]string{"a": "b"}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("p", notReady), pod("q", ended))}, 80, "has no ready endpoint (2 not ready)",
		},
		"no Pods": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}, Selector: map[string]string{"a": "b"}},
			[]discoveryv1.EndpointSlice{slice(nil)}, 80, "no Pod matches its selector",
		},
		"no selector and nothing by hand": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}}, nil, 80, "neither a selector nor an EndpointSlice",
		},
		"no Pod has the named port": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}, Selector: map[string]string{"a": "b"}},
			[]discoveryv1.EndpointSlice{slice(nil, pod("p", ready))}, 80, "none of its Pods has the port",
		},
		"no Pod": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("db", 5432, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("db", 5432, tcp)), discoveryv1.Endpoint{Addresses: []string{"192.0.2.10"}})}, 5432, "192.0.2.10:5432",
		},
		"a Pod and an endpoint that is not one": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("db", 5432, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("db", 5432, tcp)), discoveryv1.Endpoint{Addresses: []string{"192.0.2.10"}}, pod("p", ready))}, 5432, "p:5432",
		},
		"a name that no Pod can have": {
			corev1.ServiceSpec{Ports: []corev1.ServicePort{port("http", 80, tcp)}},
			[]discoveryv1.EndpointSlice{slice(ports(at("http", 8080, tcp)), pod("../secrets", ready))}, 80, "10.244.0.1:8080",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "svc"}, Spec: test.spec}, test.slices)
			list, outside, err := s.Endpoints(test.port)
			got := outside
			for _, e := range list {
				if e.Namespace != "ns" {
					t.Errorf("namespace %s", e.Namespace)
				}
				// The carrier applies what it learns from one Pod to others only if they have this in common.
				if want := fmt.Sprintf("svc:%d", test.port); e.Service != want {
					t.Errorf("%s is of %q, want %q", e.Pod, e.Service, want)
				}
				got = append(got, fmt.Sprintf("%s:%d", e.Pod, e.Port))
			}
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
			} else if strings.Join(got, " ") != test.want {
				t.Errorf("endpoints %v, want %s", got, test.want)
			}
		})
	}
}

func TestEndpointsOfADialAreBounded(t *testing.T) {
	var pods []string
	for i := range 1000 {
		pods = append(pods, fmt.Sprintf("pod-%d", i))
	}
	s := newService(t, &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}, []discoveryv1.EndpointSlice{objecttest.Slice(8080, pods...)})
	if list, _, err := s.Endpoints(80); err != nil || len(list) != MaxEndpoints {
		t.Errorf("%d endpoints, %v", len(list), err)
	}
}

func TestMembersAreFoundByTheirNames(t *testing.T) {
	slice := objecttest.Slice(8080, "db-0", "db-1", "db-2")
	slice.Endpoints[1].Hostname = new("primary")
	slice.Endpoints[2].Conditions.Ready = new(false)
	s := newService(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db"}}, []discoveryv1.EndpointSlice{slice})
	for pod, want := range map[string]string{"db-0": "db-0", "primary": "db-1", "db-1": "db-1"} {
		if list, err := s.Member(pod, 77); err != nil || len(list) != 1 || list[0].Pod != want || list[0].Port != 77 {
			t.Errorf("%s: %v, %v", pod, list, err)
		}
	}
	slice.AddressType, slice.Endpoints[2].Addresses = discoveryv1.AddressTypeIPv6, []string{"fd00::"}
	slice.Endpoints[2].Conditions.Ready = nil
	six := newService(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db"}}, []discoveryv1.EndpointSlice{slice})
	for label, want := range map[string]string{"10-244-0-1": "db-0", "10-244-0-2": "", "fd00--0": "db-2", "10-244-0-9": ""} {
		list, err := six.Member(label, 77)
		if want == "" && !errors.As(err, new(*fault.NotFound)) || want != "" && (err != nil || len(list) != 1 || list[0].Pod != want) {
			t.Errorf("%q: %v, %v", label, list, err)
		}
	}
	if _, err := s.Member("db-2", 77); !errors.As(err, new(*fault.NoEndpoints)) {
		t.Errorf("a Pod that is not ready: %v", err)
	}
	if _, err := s.Member("db-9", 77); !errors.As(err, new(*fault.NotFound)) {
		t.Errorf("a Pod that is not there: %v", err)
	}
}

// newService returns a Service and its EndpointSlices, read as from an API server.
func newService(t *testing.T, svc *corev1.Service, groups []discoveryv1.EndpointSlice) *Service {
	t.Helper()
	svc = svc.DeepCopy()
	svc.Kind = "Service"
	s := objecttest.Read(t, svc, api.ObjectOf("Service", readService))
	s.Slices = objecttest.Read(t, discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList"}, Items: groups}, ReadSlices(svc.Namespace)).Slices
	return &s
}
