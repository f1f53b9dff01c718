package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

type endpoint = carrier.Endpoint

// A loginDialer dials with a carrier, and logs in first, since a carrier renews no credentials.
type loginDialer struct {
	carrier       carrier.Carrier
	api           *api.Client
	namespace     func() string
	trustLoginFor time.Duration // the constant of that name, unless a test changes it
}

// dial logs in if necessary, and dials. If the login turns out to have expired, it logs in and dials again.
func (d *loginDialer) dial(ctx context.Context, endpoints []endpoint, renew carrier.Renew) (net.Conn, error) {
	if err := d.api.Login.Ensure(ctx); err != nil {
		return nil, err
	}
	conn, err := d.dialOnce(ctx, endpoints, renew)
	err = d.checkLogin(ctx, err)
	if d.api.Login.Renews() && errors.As(err, new(*fault.Login)) {
		if err := d.api.Login.Ensure(ctx); err != nil {
			return nil, err
		}
		conn, err = d.dialOnce(ctx, endpoints, renew)
	}
	return conn, d.api.Login.Explain(err)
}

// trustLoginFor is how long an accepted login counts as valid without asking the API server again.
const trustLoginFor = 5 * time.Second

// checkLogin returns a *fault.Login if err is a 401 from elsewhere and the API server refuses the login as well, and
// err otherwise. The 401 may be a kubelet's that does not know the API server, or that of a proxy that checks logins in
// the API server's place.
func (d *loginDialer) checkLogin(ctx context.Context, err error) error {
	var node *fault.Node
	var blocked *fault.Blocked
	switch {
	case errors.As(err, &node) && node.Status == http.StatusUnauthorized:
	case errors.As(err, &blocked) && blocked.Status == http.StatusUnauthorized:
	default:
		return err
	}
	if d.api.Health.AcceptedWithin(d.trustLoginFor) {
		return err
	}
	var login *fault.Login
	right := createForward
	right.Namespace = d.namespace()
	if _, refused := d.api.May(ctx, right); errors.As(refused, &login) {
		return refused
	}
	return err
}

// unreachableTimeout bounds a dial while the API server is unreachable. The carrier continues for longer: if the API server
// was only slow, a later dial finds a session.
const unreachableTimeout = 4 * time.Second

func (d *loginDialer) dialOnce(ctx context.Context, endpoints []endpoint, renew carrier.Renew) (net.Conn, error) {
	dial := ctx
	if d.api.Health.IsUnreachable() {
		bounded, cancel := context.WithTimeout(ctx, unreachableTimeout)
		defer cancel()
		dial = bounded
	}
	conn, err := d.carrier.Dial(dial, endpoints, renew)
	// The dial timed out because of the API server.
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && d.api.Health.IsUnreachable() {
		err = &fault.Unreachable{Server: d.api.Faults.Server, Err: context.DeadlineExceeded}
	}
	return conn, err
}
