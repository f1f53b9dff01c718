package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What was written into etcd must equal what the API server itself would have stored.
func TestCrowdIsThereAndItsFirstPodsAnswer(t *testing.T) {
	c := start(t, "--controllers=false", "--crowd=150")
	client := c.client(t)
	services, err := client.CoreV1().Services(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]bool{}
	for _, service := range services.Items {
		if service.Namespace != metav1.NamespaceDefault {
			addresses[service.Spec.ClusterIP] = true
		}
	}
	if len(addresses) != 200 {
		t.Errorf("%d addresses of Services", len(addresses))
	}
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 400 {
		t.Errorf("%d Pods, %v", len(pods.Items), err)
	}
	slices, err := client.DiscoveryV1().EndpointSlices("crowd-001").List(t.Context(), metav1.ListOptions{
		LabelSelector: "kubernetes.io/service-name=svc-099",
	})
	if err != nil || len(slices.Items) != 1 || len(slices.Items[0].Endpoints) != 2 || slices.Items[0].Endpoints[0].TargetRef.Name != "svc-099-0" {
		t.Errorf("%+v, %v", slices, err)
	}
	made, err := client.CoreV1().Services("crowd-001").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "one-more"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil || addresses[made.Spec.ClusterIP] {
		t.Errorf("a further Service: %v, %v", made.Spec.ClusterIP, err)
	}
	eventually(t, "the real Pods have addresses of the node", func() bool {
		pod, err := client.CoreV1().Pods("crowd-001").Get(t.Context(), "svc-009-1", metav1.GetOptions{})
		return err == nil && len(pod.Status.PodIP) > 7 && pod.Status.PodIP[:7] == "10.244."
	})
	s, err := dial(t, c.restConfig(t, c.Kubeconfig, "demo"), "spdy", "crowd-001", "svc-009-1")
	if err != nil {
		t.Fatal(err)
	}
	f := s.open(8080)
	f.send("GET / HTTP/1.1\r\nHost: pod\r\n\r\n")
	if got := f.receive(15); got != "HTTP/1.1 200 OK" {
		t.Errorf("%q", got)
	}
}
