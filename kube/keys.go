package kube

import (
	"net/netip"

	"fairlead/kube/carrier"
)

// A serviceKey names a Service.
type serviceKey struct{ namespace, name string }

// A podKey names a Pod.
type podKey struct{ namespace, name string }

// A podID is a Pod; the UID distinguishes Pods that have the same name one after the other.
type podID struct{ namespace, name, uid string }

// podFacts are the few facts of a Pod that matter here.
type podFacts struct {
	key         podKey
	uid, node   string
	hostNetwork bool
	phase       string
	ready       bool
	ending      bool         // it was told to end
	addresses   []netip.Addr // its own; its node's when it shares that network
	nodes       []netip.Addr // its node's
}

// ended reports whether the Pod's programs have ended for good.
func (f podFacts) ended() bool { return f.phase == "Succeeded" || f.phase == "Failed" }

// started reports whether the Pod's programs have been started, and have not ended.
func (f podFacts) started() bool { return f.phase == "Running" }

// endpoint returns the Pod as an endpoint without a port.
func (f podFacts) endpoint(key podKey) carrier.Endpoint {
	e := carrier.Endpoint{Namespace: key.namespace, Pod: key.name, UID: f.uid, Node: f.node}
	if len(f.addresses) > 0 {
		e.Address = f.addresses[0]
	}
	return e
}
