// Package carrier is the seam between a cluster's names and what takes connections to its Pods. Package kube finds the endpoints,
// a Carrier reaches them. Package portforward is the one that every cluster has; what knows another way, such as a network that
// has the Pods' addresses, can stand in its place.
package carrier

import (
	"context"
	"net"
	"net/netip"
)

// An Endpoint is a port of a Pod.
type Endpoint struct {
	// UID distinguishes Pods that have the same name one after the other; it may be empty.
	Namespace, Pod, UID string
	Port                int
	// Service identifies the port of a Service that led here, in any form that is the same for all of its Pods and for
	// no other port. It is empty if there is none. What one Pod of a Service port proves holds for the other Pods.
	Service string

	// Address is one of the Pod's, and Node the node it is on, where they are known. They may come from an EndpointSlice alone:
	// a user who may write one in the Pod's namespace can claim any address. A Carrier that dials it decides which it believes.
	Address netip.Addr
	Node    string
	// ClusterIP is the address and port of the Service that led here, in the cluster's network, if the Service has one. It
	// leads to any of the Service's ready Pods.
	ClusterIP netip.AddrPort
}

// Identity returns the endpoint without its place: a Pod has addresses of two families, and the same port on both.
func (e Endpoint) Identity() Endpoint {
	e.Address, e.Node, e.ClusterIP = netip.Addr{}, "", netip.AddrPort{}
	return e
}

// Renew returns endpoints that have not been tried so far, or none, after all of them failed and the last one with
// cause. A connection calls it at most once, maybe long after its Dial.
type Renew func(ctx context.Context, cause error) []Endpoint

// A Carrier opens connections to ports of Pods. Its methods may be called from several goroutines.
type Carrier interface {
	// Run owns what the Carrier does besides its dials. When ctx ends it closes every connection, and returns when all has ended.
	Run(ctx context.Context) error

	// Dial connects to the first of the endpoints that can be reached; the others are tried in order, and after them those
	// that renew returns, if it is not nil, as long as no program in a Pod can have seen a byte of the connection. ctx bounds
	// the dial, not the connection.
	//
	// A connection has CloseWrite() error. One that is returned before its Pod has answered has Opened(context.Context) error,
	// which waits for that. Errors are those of package fault. Dials wait for Run to begin.
	Dial(ctx context.Context, endpoints []Endpoint, renew Renew) (net.Conn, error)

	// Withdraw takes a Pod out of use, for the reason that its standing is: it should get new connections only if no other Pod
	// can be reached. Restore puts it back into use. Both are quick.
	Withdraw(namespace, pod, uid string, standing Standing)
	Restore(namespace, pod, uid string)

	// Connections returns how many are open.
	Connections() int
}

// A Prober is a Carrier that needs more than the API server for its connections.
type Prober interface {
	// Probe finds out whether connections can be made at all, and returns what it found in a few words, without secrets. Errors
	// are those of package fault.
	Probe(ctx context.Context) (found string, err error)
}

// A Standing is what is known of a Pod that is out of use.
type Standing int

const (
	// NotReady is a Pod that lives and gets no new connections.
	NotReady Standing = iota
	// Ending is a Pod that was told to end, and may be cut off before it has answered.
	Ending
	// Unlisted is a Pod that is in no Service any more: it may be gone, or only have lost its labels.
	Unlisted
	// Gone is a Pod that does not exist any more.
	Gone
)
