// Package objecttest makes objects of the Kubernetes API for tests, and reads them as Fairlead does.
package objecttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead/kube/api"
	"fairlead/kube/jsonstream"
)

// Slice returns an EndpointSlice with ready Pods and a port named http.
func Slice(port int32, pods ...string) discoveryv1.EndpointSlice {
	slice := discoveryv1.EndpointSlice{
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: new(port), Protocol: new(corev1.ProtocolTCP)}},
	}
	for i, pod := range pods {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{fmt.Sprintf("10.244.0.%d", i+1)},
			NodeName:  new("node-1"),
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod, UID: types.UID("uid-" + pod)},
		})
	}
	return slice
}

// Read reads an object as an API server would send it.
func Read[T any](t *testing.T, object any, read func(*jsonstream.Reader) T) T {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	r := jsonstream.NewReader(bytes.NewReader(data), api.AnswerBounds, nil)
	defer r.Close()
	value := read(r)
	if err := r.End(); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return value
}
