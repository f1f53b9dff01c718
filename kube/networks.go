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

// A network is the kind of a Pod's network.
type network int

const (
	unknownNetwork network = iota
	ownNetwork
	hostNetwork
)

const (
	// networkLasts is how long the answer about a Pod is used, for the Pod and for its node.
	networkLasts = 10 * time.Minute
	// maxNetworks bounds the numbers of known Pods, nodes and namespaces.
	maxNetworks = 4096
)

// networks knows which Pods share their node's network. Only the Pod itself is trusted: its UID, address and node in an
// EndpointSlice are only claims of the slice's author. So the Pod is asked for while the carrier makes a session with it, see
// admit. A claim is used only to refuse: a Pod that has its node's address is refused without asking for it.
type networks struct {
	mu        sync.Mutex
	pods      map[objects.PodID]networkFacts
	nodes     map[string]nodeFacts
	forbidden map[string]time.Time // by namespace: when the right to get Pods was last refused
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
	return &networks{pods: map[objects.PodID]networkFacts{}, nodes: map[string]nodeFacts{}, forbidden: map[string]time.Time{}}
}

// note records what a Pod says about itself and its node.
func (n *networks) note(f objects.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pods) >= maxNetworks {
		clear(n.pods)
	}
	if len(n.nodes) >= maxNetworks {
		clear(n.nodes)
	}
	if f.UID != "" {
		n.pods[objects.PodID{Namespace: f.Key.Namespace, Name: f.Key.Name, UID: f.UID}] = networkFacts{networkOf(f), time.Now()}
	}
	// Some nodes run only one Pod, which has its own network and the node's address. Such a Pod shows nothing about other Pods.
	sharesAddress := !f.HostNetwork && slices.ContainsFunc(f.Addresses, func(a netip.Addr) bool { return slices.Contains(f.Nodes, a) })
	if f.Node != "" && len(f.Nodes) > 0 && !sharesAddress {
		n.nodes[f.Node] = nodeFacts{f.Nodes, time.Now()}
	}
}

// peek returns what is known about the network of an endpoint's Pod, without asking for the Pod.
func (n *networks) peek(e endpoint) network {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.pods[objects.PodID{Namespace: e.Namespace, Name: e.Pod, UID: e.UID}]
	switch {
	case known.network != unknownNetwork && time.Since(known.seen) < networkLasts:
		return known.network
	case n.isForbidden(e.Namespace):
		return ownNetwork
	}
	if node := n.nodes[e.Node]; time.Since(node.seen) < networkLasts && slices.Contains(node.addresses, e.Address.Unmap()) {
		return hostNetwork
	}
	return unknownNetwork
}

// isForbidden reports whether the right to get the Pods of a namespace was refused recently. The caller holds mu.
func (n *networks) isForbidden(namespace string) bool {
	return time.Since(n.forbidden[namespace]) < forbiddenLasts
}

// mayLook reports whether it is worth asking for a Pod of a namespace.
func (n *networks) mayLook(namespace string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.isForbidden(namespace)
}

// refuse records that the user may not get the Pods of a namespace.
func (n *networks) refuse(namespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.forbidden) >= maxNetworks {
		clear(n.forbidden)
	}
	n.forbidden[namespace] = time.Now()
}

// network returns the network of an endpoint's Pod, and asks for the Pod if it has to. If the user may not get the Pod, or it
// is gone, it returns ownNetwork: the user has the right to port-forward, and the port-forward finds out that the Pod is
// gone. With an error it returns unknownNetwork.
func (l *podLookup) network(ctx context.Context, e endpoint) (network, error) {
	if known := l.networks.peek(e); known != unknownNetwork {
		return known, nil
	}
	facts, err := l.pod(ctx, objects.PodKey{Namespace: e.Namespace, Name: e.Pod})
	switch {
	case api.IsForbidden(err):
		l.networks.refuse(e.Namespace)
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
	// admitWithin bounds the question about a Pod while a session with it is made.
	admitWithin = 2 * time.Second
	// admitAge is the age up to which an earlier answer about the Pod is used. It is short, because a Pod may be replaced in
	// less than a second.
	admitAge = 250 * time.Millisecond
)

// admit returns a *fault.HostNetwork if a Pod is on its node's network. It asks for the Pod before each session: a session is
// addressed by the Pod's name, and another Pod may have had that name before. If the answer does not help, what was known
// before decides.
func (l *podLookup) admit(ctx context.Context, namespace, name string) error {
	if l.policy().HostNetwork || !l.api.Login.LoggedIn() || !l.networks.mayLook(namespace) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, admitWithin)
	defer cancel()
	key := objects.PodKey{Namespace: namespace, Name: name}
	l.pods.forget(key, time.Now().Add(-admitAge))
	facts, err := l.pod(ctx, key)
	switch {
	case api.IsForbidden(err):
		l.networks.refuse(namespace)
	case err == nil && facts.HostNetwork:
		return refuseHost(facts.Endpoint())
	}
	return nil
}
