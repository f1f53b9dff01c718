package kube

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// A network says whether a Pod has a network of its own.
type network int

const (
	unknownNetwork network = iota
	ownNetwork
	hostNetwork
)

const (
	// networkLasts is how long what a look at a Pod told of it and its node is believed.
	networkLasts = 10 * time.Minute
	// maxNetworks bounds how many Pods and how many nodes are remembered.
	maxNetworks = 4096
)

// networks knows which Pods share their node's network. Only the Pod itself says so: what an EndpointSlice has of it, such as
// its UID, its address and its node, is the claim of whoever may write slices in that namespace. So each Pod is looked at
// once, while the carrier makes its session. A claim counts against the Pod alone: one that has its node's address is
// refused without a look.
type networks struct {
	mu    sync.Mutex
	pods  map[objects.PodID]networkFacts
	nodes map[string]nodeFacts
	blind map[string]time.Time // namespaces where Pods may not be looked at, and when that was said
}

type networkFacts struct {
	network network
	seen    time.Time
}

type nodeFacts struct {
	addresses []netip.Addr
	seen      time.Time
}

func newNetworks() *networks {
	return &networks{pods: map[objects.PodID]networkFacts{}, nodes: map[string]nodeFacts{}, blind: map[string]time.Time{}}
}

// note takes what a look at a Pod told.
func (n *networks) note(key objects.PodKey, f objects.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pods) >= maxNetworks {
		clear(n.pods)
	}
	if len(n.nodes) >= maxNetworks {
		clear(n.nodes)
	}
	if f.UID != "" {
		n.pods[objects.PodID{Namespace: key.Namespace, Name: key.Name, UID: f.UID}] = networkFacts{networkOf(f), time.Now()}
	}
	// There are nodes of one Pod each, which has a network of its own and the node's address: they tell nothing.
	alike := !f.HostNetwork && slices.ContainsFunc(f.Addresses, func(a netip.Addr) bool { return slices.Contains(f.Nodes, a) })
	if f.Node != "" && len(f.Nodes) > 0 && !alike {
		n.nodes[f.Node] = nodeFacts{f.Nodes, time.Now()}
	}
}

// of returns what is known of the network of an endpoint's Pod, without asking.
func (n *networks) of(e endpoint) network {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.pods[objects.PodID{Namespace: e.Namespace, Name: e.Pod, UID: e.UID}]
	switch {
	case known.network != unknownNetwork && time.Since(known.seen) < networkLasts:
		return known.network
	case n.isBlind(e.Namespace):
		return ownNetwork
	}
	if node := n.nodes[e.Node]; time.Since(node.seen) < networkLasts && slices.Contains(node.addresses, e.Address.Unmap()) {
		return hostNetwork
	}
	return unknownNetwork
}

// isBlind reports whether looks at the Pods of a namespace were refused lately. mu is held.
func (n *networks) isBlind(namespace string) bool {
	return time.Since(n.blind[namespace]) < forbiddenLasts
}

// mayLook reports whether a look at a Pod of a namespace is worth a try.
func (n *networks) mayLook(namespace string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.isBlind(namespace)
}

// refuse takes note that one may not look at the Pods of a namespace.
func (n *networks) refuse(namespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.blind) >= maxNetworks {
		clear(n.blind)
	}
	n.blind[namespace] = time.Now()
}

// network returns which network an endpoint's Pod is on, and asks if it has to. Where that is forbidden, or the Pod is gone, it is
// believed to have its own: the port-forward is the user's right, and a Pod that is gone is found out by it. It stays unknown
// with an error.
func (r *resolver) network(ctx context.Context, e endpoint) (network, error) {
	if known := r.networks.of(e); known != unknownNetwork {
		return known, nil
	}
	facts, err := r.pod(ctx, objects.PodKey{Namespace: e.Namespace, Name: e.Pod})
	switch {
	case api.IsForbidden(err):
		r.networks.refuse(e.Namespace)
	case isGone(err):
	case err != nil:
		return unknownNetwork, err
	default:
		return networkOf(facts), nil
	}
	return ownNetwork, nil
}

// refuseHost returns the fault of a Pod on its node's network.
func refuseHost(e endpoint) error {
	return &fault.HostNetwork{Pod: e.Pod, Namespace: e.Namespace, Node: e.Node}
}

const (
	// admitWithin bounds the look at a Pod while a session with it is made.
	admitWithin = 2 * time.Second
	// admitAge is how old an earlier look may be that counts, such as that for the Pod's name: a Pod is replaced in less than
	// a second.
	admitAge = 250 * time.Millisecond
)

// admit returns the fault of a Pod on its node's network. A session with a Pod goes by its name, whatever was known of the
// Pod that had it before, so each session begins with a look. What the look does not tell is decided by what is known.
func (r *resolver) admit(ctx context.Context, namespace, name string) error {
	if r.policy().HostNetwork || !r.api.Login.LoggedIn() || !r.networks.mayLook(namespace) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, admitWithin)
	defer cancel()
	key := objects.PodKey{Namespace: namespace, Name: name}
	r.pods.forget(key, time.Now().Add(-admitAge))
	facts, err := r.pod(ctx, key)
	switch {
	case api.IsForbidden(err):
		r.networks.refuse(namespace)
	case err == nil && facts.HostNetwork:
		return refuseHost(facts.Endpoint(key))
	}
	return nil
}
