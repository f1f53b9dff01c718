package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

type endpoint = carrier.Endpoint

// dialCarrier ensures a login before it dials, since the carrier renews no credentials, and once more when the login
// turns out to have expired.
func (c *Cluster) dialCarrier(ctx context.Context, endpoints []endpoint, renew carrier.Renew) (net.Conn, error) {
	if err := c.api.Login.Ensure(ctx); err != nil {
		return nil, err
	}
	conn, err := c.dialOnce(ctx, endpoints, renew)
	err = c.vouched(ctx, err)
	if c.api.Login.Renews() && errors.As(err, new(*fault.Login)) {
		if err := c.api.Login.Ensure(ctx); err != nil {
			return nil, err
		}
		conn, err = c.dialOnce(ctx, endpoints, renew)
	}
	return conn, c.api.Login.Explain(err)
}

// vouchedFor is how long an accepted login is not asked about again.
const vouchedFor = 5 * time.Second

// vouched finds out what a 401 that is not the API server's own means. It may be a kubelet's, who does not know the API
// server, or that of a proxy that checks logins in the API server's place: then a question is refused, too.
func (c *Cluster) vouched(ctx context.Context, err error) error {
	var node *fault.Node
	var inTheWay *fault.Blocked
	switch {
	case errors.As(err, &node) && node.Status == http.StatusUnauthorized:
	case errors.As(err, &inTheWay) && inTheWay.Status == http.StatusUnauthorized:
	default:
		return err
	}
	if c.health.AcceptedWithin(c.vouchedFor) {
		return err
	}
	var login *fault.Login
	if _, refused := c.api.MayForward(ctx, c.Namespace(), "create"); errors.As(refused, &login) {
		return refused
	}
	return err
}

// hopeless bounds a dial while the API server is known to be out of reach. The carrier goes on for longer, so that who comes
// later finds a session if it was only slow.
const hopeless = 4 * time.Second

func (c *Cluster) dialOnce(ctx context.Context, endpoints []endpoint, renew carrier.Renew) (net.Conn, error) {
	dial := ctx
	if c.health.IsUnreachable() {
		bounded, cancel := context.WithTimeout(ctx, hopeless)
		defer cancel()
		dial = bounded
	}
	conn, err := c.carrier.Dial(dial, endpoints, renew)
	// What took too long did so for the API server's sake.
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && c.health.IsUnreachable() {
		err = &fault.Unreachable{Server: c.api.Faults.Server, Err: context.DeadlineExceeded}
	}
	return conn, err
}
