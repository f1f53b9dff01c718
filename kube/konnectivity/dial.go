package konnectivity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

const (
	// clusterIPTimeout bounds a dial of a ClusterIP while there are Pods to dial instead: where the agents run, nothing may
	// implement Services.
	clusterIPTimeout = 1500 * time.Millisecond
	// podsFor is how long a ClusterIP is not tried after it led nowhere and a Pod could be reached.
	podsFor     = time.Minute
	maxUnserved = 1024
)

// Dial connects to the ClusterIP of the endpoints' Service or, if they have none or it leads nowhere, to the first Pod that
// can be reached at its address. It returns once a program in the Pod has accepted the connection.
func (t *Carrier) Dial(ctx context.Context, endpoints []carrier.Endpoint, renew carrier.Renew) (net.Conn, error) {
	if len(endpoints) == 0 {
		return nil, errors.New("no endpoint for Konnectivity")
	}
	bounded, end, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	conn, err := t.dialAll(bounded, endpoints)
	if err != nil && renew != nil && bounded.Err() == nil && isAboutTarget(err) {
		if more := renew(bounded, err); len(more) > 0 {
			conn, err = t.dialAll(bounded, more)
		}
	}
	return conn, err
}

// isAboutTarget reports whether an error is about the target, so that a dial to another one may succeed.
func isAboutTarget(err error) bool {
	failed, ok := errors.AsType[*fault.Konnectivity](err)
	return !ok || failed.Problem == fault.KonnectivityBeyond
}

// dialAll connects to the first of the endpoints that can be reached.
func (t *Carrier) dialAll(ctx context.Context, endpoints []carrier.Endpoint) (net.Conn, error) {
	unserved := false // the ClusterIP did not lead to a Pod in time
	var refused error
	if first := endpoints[0]; first.ClusterIP.IsValid() && !t.prefersPods(first.ClusterIP) {
		conn, err := t.dialClusterIP(ctx, first)
		switch {
		case err == nil, ctx.Err() != nil, !isAboutTarget(err):
			return conn, err
		case errors.Is(err, syscall.ECONNREFUSED):
			refused = err
			if len(endpoints) == 1 {
				return nil, err
			}
		default:
			unserved = true
		}
	}
	var last error
	for _, e := range t.inOrder(endpoints) {
		conn, err := t.dialPod(ctx, e)
		if err == nil && unserved {
			t.preferPods(endpoints[0].ClusterIP)
		}
		if err == nil || ctx.Err() != nil || !isAboutTarget(err) {
			return conn, err
		}
		if refused == nil && errors.Is(err, syscall.ECONNREFUSED) {
			refused = err
		}
		last = err
	}
	return nil, cmp.Or(refused, last)
}

// dialClusterIP connects to the Service that led to an endpoint.
func (t *Carrier) dialClusterIP(ctx context.Context, e carrier.Endpoint) (net.Conn, error) {
	if err := checkAddress(e.ClusterIP.Addr()); err != nil {
		return nil, err
	}
	bounded := ctx
	if e.Address.IsValid() {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, clusterIPTimeout)
		defer cancel()
	}
	conn, err := t.open(bounded, e.ClusterIP.String())
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		err = &fault.Konnectivity{Server: t.server, Problem: fault.KonnectivityBeyond, Err: context.DeadlineExceeded}
	}
	return conn, named(err, e)
}

// dialPod connects to a Pod's address.
func (t *Carrier) dialPod(ctx context.Context, e carrier.Endpoint) (net.Conn, error) {
	if !e.Address.IsValid() {
		return nil, &fault.NoEndpoints{Pod: e.Pod, Namespace: e.Namespace, Detail: "it has no address yet"}
	}
	if err := checkAddress(e.Address); err != nil {
		return nil, err
	}
	conn, err := t.open(ctx, hostPort(e.Address, e.Port))
	return conn, named(err, e)
}

// checkAddress refuses addresses of the agent itself or of its link, which an EndpointSlice made by hand may contain.
func checkAddress(a netip.Addr) error {
	if a.IsGlobalUnicast() {
		return nil
	}
	return &fault.Unsupported{What: fmt.Sprintf("%s is no address of a Pod or a Service", a)}
}

// named returns a *fault.Refused with the Pod's name if err is a refusal, and err otherwise.
func named(err error, e carrier.Endpoint) error {
	failed, ok := errors.AsType[*fault.Konnectivity](err)
	if !ok || failed.Problem != fault.KonnectivityBeyond || !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return &fault.Refused{Pod: e.Pod, Namespace: e.Namespace, Port: e.Port, Text: failed.Err.Error()}
}

// inOrder returns the endpoints with those of withdrawn Pods last.
func (t *Carrier) inOrder(endpoints []carrier.Endpoint) []carrier.Endpoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	rank := func(e carrier.Endpoint) int {
		if t.withdrawn[podID{e.Namespace, e.Pod, e.UID}] {
			return 1
		}
		return 0
	}
	endpoints = slices.Clone(endpoints)
	slices.SortStableFunc(endpoints, func(a, b carrier.Endpoint) int { return rank(a) - rank(b) })
	return endpoints
}

// prefersPods reports whether a ClusterIP led nowhere a short time ago.
func (t *Carrier) prefersPods(clusterIP netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.unserved[clusterIP])
}

// preferPods records that a ClusterIP led nowhere though a Pod could be reached.
func (t *Carrier) preferPods(clusterIP netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.unserved) >= maxUnserved {
		clear(t.unserved)
	}
	t.unserved[clusterIP] = time.Now().Add(podsFor)
	t.log.Info().Stringer("clusterip", clusterIP).Dur("for", podsFor).Msg("ClusterIP leads nowhere, dialling its Pods")
}
