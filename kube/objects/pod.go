package objects

import (
	"net/netip"

	"fairlead/kube/carrier"
)

// A ServiceKey names a Service.
type ServiceKey struct{ Namespace, Name string }

// A PodKey names a Pod.
type PodKey struct{ Namespace, Name string }

// A PodID identifies a Pod. The UID distinguishes Pods that have the same name one after the other.
type PodID struct{ Namespace, Name, UID string }

// A Pod is the part of a Pod that matters here.
type Pod struct {
	Key         PodKey
	UID, Node   string
	HostNetwork bool
	Hostname    string // its name in the domain of the Service Subdomain; empty for none
	Subdomain   string
	Phase       string
	Ready       bool
	Ending      bool         // it is being deleted
	Addresses   []netip.Addr // its own; those of its node if it shares the node's network
	Nodes       []netip.Addr // those of its node
	ports       []Port       // of its containers, those with names
}

// maxPodPorts bounds how many ports of a Pod are kept.
const maxPodPorts = 32

// Ended reports whether the Pod's programs have ended for good.
func (f Pod) Ended() bool { return f.Phase == "Succeeded" || f.Phase == "Failed" }

// Started reports whether the Pod's programs have been started and have not ended.
func (f Pod) Started() bool { return f.Phase == "Running" }

// Endpoint returns the Pod as an endpoint without a port.
func (f Pod) Endpoint() carrier.Endpoint {
	e := carrier.Endpoint{Namespace: f.Key.Namespace, Pod: f.Key.Name, UID: f.UID, Node: f.Node}
	if len(f.Addresses) > 0 {
		e.Address = f.Addresses[0]
	}
	return e
}
