package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// staleAfter is the age from which an answer of the API server may be too old to explain a refusal: in a rollout, Pods
// stop one after the other. A younger answer is trusted, so a client that hammers a closed port costs the API server
// little.
const staleAfter = 300 * time.Millisecond

// replacedWithin bounds how long a dial whose Pods are all gone waits for the first new one.
const replacedWithin = 1500 * time.Millisecond

// maxOutside bounds how many endpoints that are not Pods one dial tries.
const maxOutside = 3

// DialContext connects to address, "host:port", where host is a Service or another form that Lookup knows, and network
// is "tcp". The connection may be returned before its Pod has answered; it then has a method Opened(context.Context)
// error, which waits for the answer. It has CloseWrite, and lasts until it is closed or Run ends; ctx bounds the dial
// only. If the name leads out of the cluster, the policy's Outside dials, and the connection is the one that it
// returns.
//
// Errors are those of package fault, context.Canceled and context.DeadlineExceeded when ctx ended, and net.ErrClosed
// once Run has ended.
func (c *Cluster) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	h := c.host(host)
	h.InCluster = !c.resolver.foreign(h.name)
	return h.dial(ctx, network, address, port)
}

// Resolve finds out where a dial of address, "host:port", would lead, and connects to nothing. It returns the error with
// which DialContext would end before it connects. For a host outside the cluster it returns nil, unless the
// name has the form of a Service's and no other network has it: then that Service is missing.
func (c *Cluster) Resolve(ctx context.Context, address string) error {
	host, portText, err := splitAddress("tcp", address)
	if err != nil {
		return err
	}
	h, err := c.Lookup(ctx, host)
	if err != nil {
		return err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", address, err)
	}
	defer end()
	switch {
	case !h.InCluster:
		err = h.missing(ctx)
	case h.check() != nil:
		err = h.check()
	default:
		var port int
		if port, err = c.resolver.portNumber(ctx, h.name, portText); err == nil {
			_, err = h.resolve(ctx, port)
		}
	}
	if err != nil {
		return fmt.Errorf("resolve %s: %w", address, err)
	}
	return nil
}

// missing returns a *fault.NotFound if the host has the form of a Service's name, and no other network has such a name.
func (h *Host) missing(ctx context.Context) error {
	n := h.name
	if !n.doubtful || n.meaning != serviceName {
		return nil
	}
	if public, err := h.cluster.resolver.isPublic(ctx, n.service+"."+n.namespace); err != nil || public {
		return err
	}
	return &fault.NotFound{Kind: fault.Service, Name: n.service, Namespace: n.namespace}
}

// DialContext connects to a port of the host, as Cluster.DialContext does, using what Lookup found. The host in address
// must be the one that was looked up. If it is outside, the error is a *fault.NotFound.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	if host != h.written {
		return nil, fmt.Errorf("dial: %w", &net.AddrError{Err: "not the host that was looked up", Addr: address})
	}
	return h.dial(ctx, network, address, port)
}

func (h *Host) dial(ctx context.Context, network, address, portText string) (net.Conn, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	bounded, end, err := h.cluster.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	defer end()
	var conn net.Conn
	port, err := h.cluster.resolver.portNumber(bounded, h.name, portText)
	if err == nil {
		conn, err = h.connect(bounded, network, port, maxAliases)
	}
	if !h.asked.IsZero() {
		// Not earlier: at the same time as the dial's own questions, these would need new connections to the API server.
		r := h.cluster.resolver
		r.ranges.start(struct{}{}, r.fetchRanges)
	}
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = net.ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return conn, nil
}

// check returns why the host cannot be dialled.
func (h *Host) check() error {
	switch {
	case h.name.meaning == noName:
		return &fault.NotFound{Kind: fault.Name, Name: h.written}
	case !h.InCluster:
		return &fault.NotFound{Kind: fault.Address, Name: h.written}
	}
	return nil
}

// splitAddress parses the arguments of a dial. The port is a number, or the name of one.
func splitAddress(network, address string) (host, port string, err error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return "", "", fmt.Errorf("dial %s: %w", address, net.UnknownNetworkError(network))
	}
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		return "", "", fmt.Errorf("dial: %w", err)
	}
	if !objects.IsPort(port) {
		return "", "", fmt.Errorf("dial: %w", &net.AddrError{Err: "invalid port", Addr: address})
	}
	return host, port, nil
}

// connect resolves and connects. An endpoint that is not a Pod may be an address that leads to another one; connect
// follows hops of them at most.
func (h *Host) connect(ctx context.Context, network string, port, hops int) (net.Conn, error) {
	to, err := h.resolve(ctx, port)
	if err != nil {
		return nil, err
	}
	c := h.cluster
	if len(to.pods) == 0 {
		return c.dialOutside(ctx, network, to, hops)
	}
	a := &attempt{cluster: c, name: h.name, port: port, to: to, known: time.Now()}
	return a.dial(ctx, to.pods)
}

// resolve returns the Pods to try for a port. It uses the owner of an address if Lookup has just found it.
func (h *Host) resolve(ctx context.Context, port int) (resolution, error) {
	if time.Since(h.asked) < answerLasts.fresh {
		return h.cluster.resolver.resolveOwned(ctx, h.name, h.owner, h.asked, port)
	}
	return h.cluster.resolver.resolve(ctx, h.name, port)
}

// dialOutside dials the endpoints that are not Pods, with the policy's Outside unless an address is in the cluster
// after all: an EndpointSlice made by hand may have the address of a Pod or a Service without saying so.
func (c *Cluster) dialOutside(ctx context.Context, network string, to resolution, hops int) (conn net.Conn, err error) {
	dial := c.policy.Load().Outside
	if len(to.outside) == 0 {
		return nil, &fault.Unsupported{What: to.why}
	}
	for _, address := range to.outside[:min(len(to.outside), maxOutside)] {
		host, portText, invalid := splitAddress(network, address)
		port, _ := strconv.Atoi(portText) // an endpoint's, so always a number
		h := c.host(host)
		h.InCluster = invalid == nil && h.name.meaning == clusterAddress && c.resolver.owned(ctx, h.name) || endsInCluster(host)
		if invalid == nil && h.InCluster {
			invalid = h.check()
		}
		switch {
		case h.InCluster && hops == 0:
			return nil, &fault.Unsupported{What: to.why + ", but leads to others without end"}
		case h.InCluster && invalid != nil:
			conn, err = nil, invalid
		case h.InCluster:
			conn, err = h.connect(ctx, network, port, hops-1)
		case dial == nil:
			return nil, &fault.Unsupported{What: to.why}
		default:
			traceOf(ctx).leave(address, noteOutside)
			conn, err = dial(ctx, network, address)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}

// owned reports whether an address is that of a Service, or of a Pod that may be dialled.
func (l *addressLookup) owned(ctx context.Context, n name) bool {
	o, _, err := l.owner(ctx, n)
	return err == nil && (o.service.Name != "" || o.pod.Pod != "" && (!o.hostNetwork || l.policy().HostNetwork))
}

// An attempt is one dial into the cluster, and the search for other Pods that its connection may try.
type attempt struct {
	cluster *Cluster
	name    name
	port    int
	to      resolution
	known   time.Time // when to was resolved
}

// dial has the carrier connect to the first of the Pods that may be dialled, and hands it the others. The carrier asks
// whether a Pod shares its node's network while it makes the first session with the Pod (admit), so the question costs
// no round trip.
func (a *attempt) dial(ctx context.Context, pods []endpoint) (net.Conn, error) {
	var refused error
	for len(pods) > 0 {
		first := pods[0]
		pods = pods[1:]
		t := traceOf(ctx)
		t.pod(ctx, a.cluster.resolver, first)
		network := a.network(first)
		if network == hostNetwork {
			refused = refuseHost(first)
			continue
		}
		list, later := []endpoint{first}, []endpoint(nil)
		for _, pod := range pods {
			switch a.network(pod) {
			case ownNetwork:
				list = append(list, pod)
			case unknownNetwork:
				later = append(later, pod)
			}
		}
		t.port(list, len(later), a.cluster.ownCarrier)
		conn, err := a.connect(ctx, list, later)
		var unknown error
		if network == unknownNetwork && err == nil {
			network, unknown = a.cluster.resolver.network(ctx, first) // the carrier has looked, if it made a session
		}
		if refusal, ok := errors.AsType[*fault.HostNetwork](err); ok {
			refused = refusal
			continue
		}
		if network == ownNetwork || network == unknownNetwork && err != nil {
			return conn, a.withNode(err)
		}
		if err == nil {
			conn.Close()
		}
		if network == unknownNetwork {
			return nil, unknown
		}
		refused = refuseHost(first)
	}
	return nil, refused
}

// network returns what is known about the network of an endpoint's Pod. If the policy allows Pods
// on their node's network, it returns ownNetwork, because the network does not matter then.
func (a *attempt) network(e endpoint) network {
	if a.cluster.policy.Load().HostNetwork {
		return ownNetwork
	}
	return a.cluster.resolver.networks.peek(e)
}

// connect hands Pods to the carrier. After them it tries the later ones, of which it is not known yet whether they may
// be dialled.
func (a *attempt) connect(ctx context.Context, endpoints []endpoint, later []endpoint) (net.Conn, error) {
	c := a.cluster
	conn, err := c.dialer.dial(ctx, endpoints, func(ctx context.Context, cause error) []endpoint {
		return a.renew(ctx, cause, later)
	})
	var unreachable *fault.Unreachable
	if errors.As(err, &unreachable) && unreachable.Server == c.api.Faults.Server {
		c.api.CloseIdle() // an idle connection may still work, and would hide that a new one cannot be made
	}
	if !c.ownCarrier && (unreachable == nil || unreachable.Server == c.api.Faults.Server) {
		c.api.Health.ObserveDial(err) // a fault with another Server is about a Pod
	}
	return conn, err
}

// withNode returns err with the node's name, if err is a *fault.Node without one and the name is known.
func (a *attempt) withNode(err error) error {
	var failed *fault.Node
	if !errors.As(err, &failed) || failed.Node != "" {
		return err
	}
	with := *failed
	if facts, known := a.cluster.resolver.pods.peek(objects.PodKey{Namespace: failed.Namespace, Name: failed.Pod}); known {
		with.Node = facts.Node
	}
	for _, pod := range a.to.pods {
		if pod.Node != "" && pod.Pod == failed.Pod && pod.Namespace == failed.Namespace {
			with.Node = pod.Node
		}
	}
	return &with
}

// renew adds the Pods of a newer answer to those that were not tried. It asks for a newer answer if the old one was out
// of date: a Pod is gone, or the Pods of a Service refuse because their programs have ended. That may turn out only
// after the dial, when the Pod is asked for the connection.
func (a *attempt) renew(ctx context.Context, cause error, untried []endpoint) []endpoint {
	c := a.cluster
	ctx, end, err := c.begin(traced(ctx, nil)) // the carrier may call it at any time
	if err != nil {
		return nil
	}
	defer end()
	refused := isRefusal(cause) && len(a.to.services)+len(a.to.workloads) > 0 && !a.to.single // otherwise there is no other Pod
	if isGone(cause) || refused && time.Since(a.to.asked) > staleAfter {
		c.resolver.forget(a.to, a.known)
	}
	if isGone(cause) || refused {
		var err error
		untried, err = a.newer(ctx, isGone(cause), untried)
		c.log.Debug().AnErr("cause", cause).Err(err).Int("endpoints", len(untried)).Msg("endpoints were out of date")
	}
	return a.allowed(ctx, untried)
}

// newer adds the Pods that the name leads to now to those that were not tried. If the Pods that it led to before are
// gone, newer waits a short time for the first new one.
func (a *attempt) newer(ctx context.Context, gone bool, untried []endpoint) ([]endpoint, error) {
	bound, cancel := context.WithTimeout(ctx, replacedWithin)
	defer cancel()
	for {
		changed := a.cluster.resolver.changes(a.to)
		again, err := a.cluster.resolver.resolve(ctx, a.name, a.port)
		for _, pod := range again.pods {
			if !contains(a.to.pods, pod) {
				untried = append(untried, pod)
			} else if !gone {
				changed = nil // it refuses, but exists
			}
		}
		if len(untried) > 0 || changed == nil {
			return untried, err
		}
		select {
		case <-changed:
		case <-bound.Done():
			return nil, err
		}
	}
}

// contains reports whether a list has a Pod with the identity of pod.
func contains(list []endpoint, pod endpoint) bool {
	return slices.ContainsFunc(list, func(c endpoint) bool { return c.Identity() == pod.Identity() })
}

// allowed returns those of the Pods that may be dialled.
func (a *attempt) allowed(ctx context.Context, pods []endpoint) (list []endpoint) {
	networks := make([]network, len(pods))
	var wg sync.WaitGroup
	for i, pod := range pods[:min(len(pods), objects.MaxEndpoints)] {
		wg.Go(func() {
			if networks[i] = a.network(pod); networks[i] == unknownNetwork {
				networks[i], _ = a.cluster.resolver.network(ctx, pod) // a Pod whose network stays unknown may not be dialled
			}
		})
	}
	wg.Wait()
	for i, pod := range pods {
		if networks[i] == ownNetwork {
			list = append(list, pod)
		}
	}
	return list
}

// isGone reports whether err means that a Pod no longer exists or has ended.
func isGone(err error) bool {
	var absent *fault.NotFound
	var ended *fault.NoEndpoints
	return errors.As(err, &absent) && absent.Kind == fault.Pod || errors.As(err, &ended) && ended.Pod != ""
}
