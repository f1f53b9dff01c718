package kube

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// A network says whether a Pod has a network of its own.
type network int

const (
	unknownNetwork network = iota
	ownNetwork
	hostNetwork
)

const (
	// nodeLasts is how long a node is believed to have its addresses.
	nodeLasts = 10 * time.Minute
	// maxNetworks bounds how many Pods and how many nodes are remembered.
	maxNetworks = 4096
)

// networks knows which Pods share their node's network. An EndpointSlice does not say, so that a Pod must be looked at;
// but that tells its node's addresses as well, and with them what every other Pod of that node does: the address of a Pod
// is its node's, or it has a network of its own. So this costs one request per node, and none per Pod.
type networks struct {
	mu    sync.Mutex
	pods  map[string]network // by UID; it never changes
	nodes map[string]nodeFacts
	blind map[string]time.Time // namespaces where Pods may not be looked at, and when that was said
}

type nodeFacts struct {
	addresses []netip.Addr
	seen      time.Time
}

func newNetworks() *networks {
	return &networks{pods: map[string]network{}, nodes: map[string]nodeFacts{}, blind: map[string]time.Time{}}
}

// note takes what a look at a Pod told.
func (n *networks) note(f podFacts) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pods) >= maxNetworks {
		clear(n.pods)
	}
	if len(n.nodes) >= maxNetworks {
		clear(n.nodes)
	}
	if f.uid != "" {
		n.pods[f.uid] = ownNetwork
		if f.hostNetwork {
			n.pods[f.uid] = hostNetwork
		}
	}
	// There are nodes of one Pod each, which has a network of its own and the node's address: they tell nothing.
	alike := !f.hostNetwork && slices.ContainsFunc(f.addresses, func(a netip.Addr) bool { return slices.Contains(f.nodes, a) })
	if f.node != "" && len(f.nodes) > 0 && !alike {
		n.nodes[f.node] = nodeFacts{f.nodes, time.Now()}
	}
}

// of tells what is known of a candidate without asking.
func (n *networks) of(c candidate) network {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.pods[c.UID]; c.UID != "" && known != unknownNetwork {
		return known
	}
	if time.Since(n.blind[c.Namespace]) < forbiddenLasts {
		return ownNetwork
	}
	addr, err := netip.ParseAddr(c.address)
	node, ok := n.nodes[c.node]
	if err != nil || !ok || time.Since(node.seen) > nodeLasts {
		return unknownNetwork
	}
	addr = addr.Unmap()
	switch {
	case slices.Contains(node.addresses, addr):
		return hostNetwork
	case slices.ContainsFunc(node.addresses, func(a netip.Addr) bool { return a.Is4() == addr.Is4() }):
		return ownNetwork
	}
	return unknownNetwork // of the other family than all that is known of the node
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

// network tells which network a candidate is on, and asks if it has to. Where that is forbidden, or the Pod is gone, it is
// believed to have its own: the port-forward is the user's right, and a Pod that is gone is found out by it. It stays unknown
// with an error.
func (r *resolver) network(ctx context.Context, c candidate) (network, error) {
	if known := r.networks.of(c); known != unknownNetwork {
		return known, nil
	}
	facts, err := r.pod(ctx, podKey{c.Namespace, c.Pod})
	switch {
	case isForbidden(err):
		r.networks.refuse(c.Namespace)
	case isGone(err):
	case err != nil:
		return unknownNetwork, err
	case facts.hostNetwork:
		return hostNetwork, nil
	}
	return ownNetwork, nil
}

// refuseHost gives the fault of a Pod on its node's network.
func (c candidate) refuseHost() error {
	return &fault.HostNetwork{Pod: c.Pod, Namespace: c.Namespace, Node: c.node}
}
