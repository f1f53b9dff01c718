package kube

import (
	"context"
	"errors"
	"net"

	"fairlead/kube/fault"
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

// dialCarrier sees to a login before it dials, since the carrier runs no credential plugin, and once more when the login
// turns out to have expired.
func (c *Cluster) dialCarrier(ctx context.Context, endpoints []endpoint, renew portforward.Renew) (net.Conn, error) {
	if err := c.api.login.ensure(ctx); err != nil {
		return nil, err
	}
	conn, err := c.carrier.Dial(ctx, endpoints, renew)
	if c.api.login.plugin != nil && errors.As(err, new(*fault.Login)) {
		if err := c.api.login.ensure(ctx); err != nil {
			return nil, err
		}
		conn, err = c.carrier.Dial(ctx, endpoints, renew)
	}
	return conn, c.api.login.explain(err)
}
