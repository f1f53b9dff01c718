package kube

import (
	"context"
	"net"

	"fairlead/kube/portforward"
)

// An endpoint is a port of a Pod, as the carrier takes it.
type endpoint = portforward.Endpoint

// A carrier opens a connection into the first of several Pods that takes it. *portforward.Forwarder is the real one; the
// interface is here so that a test can count and refuse dials.
type carrier interface {
	Run(ctx context.Context) error
	Dial(ctx context.Context, endpoints []endpoint, renew portforward.Renew) (net.Conn, error)
	Stats() portforward.Stats
}
