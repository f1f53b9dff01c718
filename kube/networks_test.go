package kube

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"fairlead/kube/fault"
)

func TestOneLookTellsWhichAddressesAreTheNodes(t *testing.T) {
	n := newNetworks()
	pod := testPod("ns", "seen", "10.244.0.1")
	other := func(address, uid string) endpoint {
		at, _ := netip.ParseAddr(address) // zero if there is none
		return endpoint{Namespace: "ns", Pod: "other", UID: uid, Node: "node-1", Address: at}
	}
	if got := n.peek(other("10.244.0.2", "u")); got != unknownNetwork {
		t.Errorf("before any look: %v", got)
	}
	n.note(newPodFacts(t, &pod))
	for address, want := range map[string]network{
		"10.244.0.2": unknownNetwork, // only the Pod itself says so
		nodeAddress:  hostNetwork, "::ffff:" + nodeAddress: hostNetwork,
		"fd00::2": unknownNetwork,
		"":        unknownNetwork,
	} {
		if got := n.peek(other(address, "u")); got != want {
			t.Errorf("a Pod at %q: %v, want %v", address, got, want)
		}
	}
	elsewhere := other("10.244.0.2", "u")
	elsewhere.Node = "node-2"
	if got := n.peek(elsewhere); got != unknownNetwork {
		t.Errorf("on a node not seen: %v", got)
	}
}

// Some providers give each Pod its own node with the same address.
func TestANodeWithTheAddressOfItsPodSaysNothing(t *testing.T) {
	n := newNetworks()
	pod := testPod("ns", "only", nodeAddress)
	n.note(newPodFacts(t, &pod))
	c := newPodFacts(t, &pod).Endpoint()
	if got := n.peek(c); got != ownNetwork {
		t.Errorf("the Pod itself: %v", got)
	}
	c.UID = ""
	if got := n.peek(c); got != unknownNetwork {
		t.Errorf("one of unknown identity at its address: %v", got)
	}
}

// The author of an EndpointSlice may claim that a Pod has another UID, an address of its own, or another node. Only the Pod
// itself says that it is on its node's network.
func TestASliceDoesNotSayWhichNetworkAPodIsOn(t *testing.T) {
	for what, claim := range map[string]discoveryv1.Endpoint{
		"the UID of a Pod that was looked at": {Addresses: []string{"10.244.0.1"}, NodeName: new("node-1"), TargetRef: &corev1.ObjectReference{UID: "uid-web-1"}},
		"a UID that no Pod has":               {Addresses: []string{"10.244.0.99"}, NodeName: new("node-1"), TargetRef: &corev1.ObjectReference{UID: "uid-x"}},
		"no UID":                              {Addresses: []string{"10.244.0.99"}, NodeName: new("node-1"), TargetRef: &corev1.ObjectReference{}},
		"no node":                             {Addresses: []string{"10.244.0.99"}, TargetRef: &corev1.ObjectReference{UID: "uid-agent"}},
		"the Pod's UID, and a false address":  {Addresses: []string{"10.244.0.99"}, NodeName: new("node-1"), TargetRef: &corev1.ObjectReference{UID: "uid-agent"}},
	} {
		t.Run(what, func(t *testing.T) {
			server := newAPIServer(t)
			server.add("team", "web", "web-1")
			server.add("team", "agent", "agent")
			server.onHost("team", "agent", "agent")
			c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
			if err := dial(t, c, "web:80"); err != nil { // web-1 and its node are known
				t.Fatal(err)
			}
			claim.TargetRef.Kind, claim.TargetRef.Name = "Pod", "agent"
			server.mu.Lock()
			server.slices["team/agent"][0].Endpoints = []discoveryv1.Endpoint{claim}
			server.mu.Unlock()
			for range 2 {
				var shared *fault.HostNetwork
				if err := dial(t, c, "agent:80"); !errors.As(err, &shared) || shared.Pod != "agent" {
					t.Errorf("it is dialled: %v", err)
				}
			}
		})
	}
}

func TestKnownNetworksAreBounded(t *testing.T) {
	n := newNetworks()
	for i := range 3 * maxNetworks {
		pod := testPod("ns", fmt.Sprint("p", i), "10.244.0.1")
		pod.Spec.NodeName = fmt.Sprint("node-", i)
		pod.Status.Phase = corev1.PodRunning
		n.note(newPodFacts(t, &pod))
		n.refuse(fmt.Sprint("ns-", i))
	}
	if len(n.pods) > maxNetworks || len(n.nodes) > maxNetworks || len(n.forbidden) > maxNetworks {
		t.Errorf("%d Pods, %d nodes, %d namespaces", len(n.pods), len(n.nodes), len(n.forbidden))
	}
}
