package kube

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOneLookTellsTheNetworkOfAllPodsOfANode(t *testing.T) {
	n := newNetworks()
	pod := testPod("ns", "seen", "10.244.0.1")
	other := func(address, uid string) candidate {
		return candidate{endpoint: endpoint{Namespace: "ns", Pod: "other", UID: uid}, node: "node-1", address: address}
	}
	if got := n.of(other("10.244.0.2", "u")); got != unknownNetwork {
		t.Errorf("before any look: %v", got)
	}
	n.note(newPodFacts(&pod))
	for address, want := range map[string]network{
		"10.244.0.2": ownNetwork, nodeAddress: hostNetwork, "::ffff:" + nodeAddress: hostNetwork,
		"fd00::2": unknownNetwork, // of the family that nothing is known of
		"":        unknownNetwork,
	} {
		if got := n.of(other(address, "u")); got != want {
			t.Errorf("a Pod at %q: %v, want %v", address, got, want)
		}
	}
	elsewhere := other("10.244.0.2", "u")
	elsewhere.node = "node-2"
	if got := n.of(elsewhere); got != unknownNetwork {
		t.Errorf("on a node not seen: %v", got)
	}
}

// Some providers give each Pod a node, and both one address.
func TestANodeThatIsItsPodTellsNothing(t *testing.T) {
	n := newNetworks()
	pod := testPod("ns", "only", nodeAddress)
	n.note(newPodFacts(&pod))
	c := newPodFacts(&pod).candidate(podKey{"ns", "only"})
	if got := n.of(c); got != ownNetwork {
		t.Errorf("the Pod itself: %v", got)
	}
	c.UID = ""
	if got := n.of(c); got != unknownNetwork {
		t.Errorf("one of unknown identity at its address: %v", got)
	}
}

func TestWhatIsRememberedOfNetworksIsBounded(t *testing.T) {
	n := newNetworks()
	for i := range 3 * maxNetworks {
		pod := testPod("ns", fmt.Sprint("p", i), "10.244.0.1")
		pod.Spec.NodeName = fmt.Sprint("node-", i)
		pod.Status.Phase = corev1.PodRunning
		n.note(newPodFacts(&pod))
		n.refuse(fmt.Sprint("ns-", i))
	}
	if len(n.pods) > maxNetworks || len(n.nodes) > maxNetworks || len(n.blind) > maxNetworks {
		t.Errorf("%d Pods, %d nodes, %d namespaces", len(n.pods), len(n.nodes), len(n.blind))
	}
}
