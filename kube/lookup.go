package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// A Host is a host name or an IP address, and whether it is in the cluster or outside.
type Host struct {
	InCluster bool
	Why       string // why it is or is not in the cluster, without a full stop, for logs

	cluster *Cluster
	written string    // the host as it was passed to Lookup
	name    name      // what it means in the cluster
	owner   owner     // what has the address, if that was asked for
	asked   time.Time // when the owner was asked for
}

// Lookup finds out whether host, a name or an IP address, is in the cluster. It asks the API server only about hosts
// that other networks may have as well:
//
// A name of two labels that may also be on the Internet, or of three that may also be a company's, is in the cluster if
// the Service that it names exists. A name of two labels is also in the cluster if it is that of a Pod of a Service in
// the context's namespace. A name is outside if there is no such Service, or if the user may not read it. A name of two
// labels that the policy knows to be public is outside as well, unless its namespace is the context's or one of the
// policy's.
//
// A private address is in the cluster if it is in a range of the cluster's Services or Pods, or if a Service or a Pod
// has it, in any namespace that the user may read. An address that nothing has is outside, and so is a node's, unless
// the policy allows Pods on their node's network.
//
// If the API server does not answer, the last decision holds. If there is none, Lookup returns an error: traffic that
// is meant for the cluster must not leave it because the API server does not answer.
//
// A public address is in the cluster only if the policy says so. Decisions are remembered for a minute, renewed while
// in use, and logged.
func (c *Cluster) Lookup(ctx context.Context, host string) (*Host, error) {
	h := c.host(host)
	address := h.name.meaning == clusterAddress && h.name.namespace == ""
	switch {
	case c.resolver.foreign(h.name):
		h.Why = "the cluster has no such names or addresses"
		return h, nil
	case address && c.resolver.expects(h.name.address):
		h.InCluster, h.Why = true, "it is in a range of the cluster's"
		return h, nil
	case !address && !h.name.doubtful:
		h.InCluster, h.Why = true, "only a cluster has such names"
		return h, nil
	}
	bounded, end, err := c.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", host, err)
	}
	defer end()
	if address {
		err = h.placeAddress(bounded)
	} else {
		err = h.placeName(bounded)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", host, err)
	}
	if c.decisions.changed(host, h.InCluster) {
		c.log.Info().Str("host", host).Bool("cluster", h.InCluster).Str("because", h.Why).Msg("routed host")
	}
	return h, nil
}

// host returns a Host with what the form of its name shows. It asks nothing.
func (c *Cluster) host(written string) *Host {
	return &Host{cluster: c, written: written, name: c.resolver.parse(written)}
}

// foreign reports whether a name is outside by its form alone, so that the cluster is never asked about it. A public
// address is in the cluster only if the policy says so.
func (r *resolver) foreign(n name) bool {
	if n.meaning != clusterAddress || n.namespace != "" {
		return n.meaning == outside
	}
	return !isPrivate(n.address) && !r.policy().covers(n.address)
}

// placeName sets InCluster and Why of a name that other networks may have.
func (h *Host) placeName(ctx context.Context) (err error) {
	r, n := h.cluster.resolver, h.name
	exists, known := r.claims.peek(objects.ServiceKey{Namespace: n.namespace, Name: n.service})
	isMember, _ := r.members.peek(n)
	trouble := r.api.Health.Trouble(known)
	switch {
	case trouble == nil:
		exists, isMember, err = r.askName(ctx, n)
	case !known:
		err = trouble
	}
	public := false
	if err == nil && exists {
		public, err = r.isTaken(ctx, n)
	}
	if err == nil && isMember && (!exists || public) {
		// The last label is a Service's name, not a namespace that the user chose: it may be that of a domain.
		public, err = r.isPublic(ctx, n.service+"."+n.namespace)
		isMember = !public
	}
	switch {
	case err != nil:
		return err
	case exists && !public:
		h.InCluster, h.Why = true, "there is such a Service"
		h.name = n.asService()
	case isMember:
		h.InCluster, h.Why = true, "a Service of the context's namespace has such a Pod"
		h.name = n.asMember()
	case public:
		h.Why = "other networks have it, too, and neither the context nor the settings name its namespace"
	default:
		h.Why = "there is no such Service, or it may not be looked at"
	}
	return nil
}

// isTaken reports whether a name that may be on the Internet belongs to another network. That does not matter in the
// context's namespace and those of the policy. Elsewhere it does: otherwise anyone who may create a namespace called
// com could receive what is meant for http://example.com/.
func (r *resolver) isTaken(ctx context.Context, n name) (bool, error) {
	if n.meaning != serviceName || n.namespace == r.namespaces.current() || slices.Contains(r.policy().Namespaces, n.namespace) {
		return false, nil
	}
	return r.isPublic(ctx, n.service+"."+n.namespace)
}

// isPublic reports whether other networks have a name, according to the policy.
func (r *resolver) isPublic(ctx context.Context, host string) (bool, error) {
	policy := r.policy()
	if policy.Public == nil {
		return false, nil
	}
	public, _, err := r.public.get(ctx, host, func(ctx context.Context) (bool, error) { return policy.Public(ctx, host) })
	return public, err
}

// askName asks for the Service of a name and, if the name has two labels, for the Service whose Pod it may be. It asks
// for both at once, so that a name of another network costs one round trip. The second Service is the same for all
// names that end in the same label.
func (r *resolver) askName(ctx context.Context, n name) (exists, isMember bool, err error) {
	var memberErr error
	var wg sync.WaitGroup
	wg.Go(func() { isMember, memberErr = r.askMember(ctx, n) })
	exists, err = r.exists(ctx, objects.ServiceKey{Namespace: n.namespace, Name: n.service})
	wg.Wait()
	if exists || isMember {
		return exists, isMember, nil
	}
	return false, false, cmp.Or(err, memberErr)
}

// askMember reports whether a name of two labels is that of a Pod of a Service in the context's namespace.
func (r *resolver) askMember(ctx context.Context, n name) (bool, error) {
	if n.memberNamespace == "" {
		return false, nil
	}
	if there, err := r.exists(ctx, objects.ServiceKey{Namespace: n.memberNamespace, Name: n.namespace}); err != nil || !there {
		return false, err
	}
	completed, err := r.complete(ctx, n)
	if isSilent(err) {
		return false, err
	}
	return err == nil && completed.meaning == memberName, nil // an error says that there is no such Pod
}

// placeAddress sets InCluster and Why of a private address.
func (h *Host) placeAddress(ctx context.Context) (err error) {
	r, policy := h.cluster.resolver, h.cluster.policy.Load()
	o, known := r.owners.peek(h.name)
	trouble := r.api.Health.Trouble(known)
	switch {
	case trouble == nil:
		o, h.asked, err = r.askOwner(ctx, h.name)
	case !known:
		err = trouble
	}
	h.owner = o
	switch {
	case r.expects(h.name.address):
		h.InCluster, h.Why = true, "it is in a range of the cluster's"
	case isSilent(err):
		return err
	case err != nil:
		h.Why = "it may not be looked for, or cannot be"
	case o.hostNetwork:
		h.InCluster, h.Why = policy.HostNetwork, "it is a node's"
	case o.pod.Pod != "":
		h.InCluster, h.Why = true, fmt.Sprintf("Pod %s/%s has it", o.pod.Namespace, o.pod.Pod)
	case o.service.Name != "":
		h.InCluster, h.Why = true, fmt.Sprintf("Service %s/%s has it", o.service.Namespace, o.service.Name)
	default:
		h.Why = "no Service and no Pod has it"
	}
	return nil
}

// askOwner asks for the owner of an address and, if it has none, for the ranges of Services and Pods. If it has one, the
// dial asks for the ranges later.
func (l *addressLookup) askOwner(ctx context.Context, n name) (owner, time.Time, error) {
	o, asked, err := l.owner(ctx, n)
	if o == (owner{}) && !isSilent(err) {
		_ = l.clusterRanges.askRanges(ctx) // if this fails, it is as if there were no ranges
	}
	return o, asked, err
}

// maxDecisions bounds how many decisions are remembered for the log.
const maxDecisions = 1024

// decisions remembers what was decided about hosts, so that each decision is logged once.
type decisions struct {
	mu   sync.Mutex
	made map[string]bool
}

// changed records a decision, and reports whether it is new or differs from the last one about the host.
func (d *decisions) changed(host string, inCluster bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if before, known := d.made[host]; known && before == inCluster {
		return false
	}
	if d.made == nil || len(d.made) >= maxDecisions {
		d.made = map[string]bool{}
	}
	d.made[host] = inCluster
	return true
}

// Exists reports whether the cluster has the host, which Lookup found to be in it, as the cluster's DNS would: whether the
// Service or the Pod is there, ready or not. An error, such as a *fault.Forbidden, means that this is not known.
func (h *Host) Exists(ctx context.Context) (bool, error) {
	if h.check() != nil {
		return false, nil
	}
	ctx, end, err := h.cluster.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	port := 0 // stands for a Service's first port
	if h.name.meaning != serviceName {
		port = 1 // the name of a Pod is resolved only with a port; any will do
	}
	_, err = h.resolve(ctx, port)
	var absent *fault.NotFound
	switch {
	case err == nil, errors.As(err, new(*net.AddrError)), errors.As(err, new(*fault.NoEndpoints)):
		return true, nil
	case errors.As(err, &absent):
		return absent.Kind == fault.Port, nil
	}
	return false, err
}
