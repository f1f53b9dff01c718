package kube

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// Owns tells whether host, a name or an IP address, is the cluster's as far as is known. It asks nobody: a Service of that
// name need not be there, and an address is the cluster's when Known has it. Claims asks about the others.
func (c *Cluster) Owns(host string) bool {
	n := c.parse(host)
	switch {
	case n.meaning == outside || n.doubtful:
		return false
	case n.meaning == clusterAddress && n.namespace == "":
		return c.knows(n.address)
	}
	return true
}

func (c *Cluster) knows(addr netip.Addr) bool {
	h, seen := c.resolver.seen.at(addr)
	return c.resolver.expects(addr) || seen && h.sure && isPrivate(addr)
}

// foreign tells whether a name is none that the cluster is ever asked about: addresses of the Internet are its by the policy
// alone.
func (c *Cluster) foreign(n name) bool {
	if n.meaning != clusterAddress || n.namespace != "" {
		return n.meaning == outside
	}
	return !isPrivate(n.address) && !c.policy.Load().covers(n.address)
}

// Claims tells whether host is the cluster's, as Owns does, and asks about what other networks may have as well:
//
// A name of two labels that the Internet may have too, or one of three that a company may have, is the cluster's when
// there is a Service of that name, and one of two labels also when it is a Pod's of a Service in the context's namespace.
// One that does not exist, or that may not be looked at, is not; nor is one of two labels that the policy knows to be public,
// unless its namespace is the context's or one of the policy's.
//
// An address of the private ranges is the cluster's when it is in a range of its Services or Pods, or when a Service or a
// Pod has it, in all namespaces or in those that one may see. One that nobody has is outside, and so is a node's, unless
// the policy allows Pods on their node's network.
//
// When the API server does not answer, the last decision holds. Without one there is none to make, and the error says why:
// what is meant for the cluster must not leave it for want of an answer.
//
// Addresses of the Internet are the cluster's by the policy alone. Decisions are remembered for a minute, renewed in use,
// and logged.
func (c *Cluster) Claims(ctx context.Context, host string) (bool, error) {
	n := c.parse(host)
	address := n.meaning == clusterAddress && n.namespace == ""
	if c.foreign(n) {
		return false, nil
	}
	if !address && !n.doubtful || address && c.resolver.expects(n.address) {
		return true, nil
	}
	asked, end, err := c.begin(ctx)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", host, err)
	}
	defer end()
	var claimed bool
	var why string
	switch {
	case address:
		claimed, why, err = c.claimsAddress(asked, n)
	default:
		claimed, why, err = c.claimsName(asked, n)
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", host, err)
	}
	if c.decisions.changed(host, claimed) {
		c.log.Info().Str("host", host).Bool("cluster", claimed).Str("because", why).Msg("decided whose a host is")
	}
	return claimed, nil
}

func (c *Cluster) claimsName(ctx context.Context, n name) (claimed bool, why string, err error) {
	exists, known := c.resolver.claims.peek(serviceKey{n.namespace, n.service})
	isMember, _ := c.resolver.members.peek(n)
	trouble := c.health.trouble(known)
	switch {
	case trouble == nil:
		exists, isMember, err = c.askName(ctx, n)
	case !known:
		err = trouble
	}
	public := false
	if err == nil && exists {
		public, err = c.isTaken(ctx, n)
	}
	if err == nil && isMember && (!exists || public) {
		// The last label is a Service's name, not a namespace that the user chose: it may be that of a domain.
		public, err = c.isPublic(ctx, n.service+"."+n.namespace)
		isMember = !public
	}
	switch {
	case err != nil:
		return false, "", err
	case exists && !public:
		return true, "there is such a Service", nil
	case isMember:
		return true, "a Service of the context's namespace has such a Pod", nil
	case public:
		return false, "other networks have it, too, and neither the context nor the settings name its namespace", nil
	}
	return false, "there is no such Service, or it may not be looked at", nil
}

// isTaken reports whether other networks have a name that the Internet may have as well. In the context's namespace and those of
// the policy that does not matter. Otherwise anyone who may create a namespace called com could receive what is meant for http://example.com/.
func (c *Cluster) isTaken(ctx context.Context, n name) (bool, error) {
	policy := c.policy.Load()
	if n.meaning != serviceName || n.namespace == c.Namespace() || slices.Contains(policy.Namespaces, n.namespace) {
		return false, nil
	}
	return c.isPublic(ctx, n.service+"."+n.namespace)
}

// isPublic reports whether other networks have a name, as the policy knows.
func (c *Cluster) isPublic(ctx context.Context, host string) (bool, error) {
	policy := c.policy.Load()
	if policy.Public == nil {
		return false, nil
	}
	public, _, err := c.resolver.public.get(ctx, host, func(ctx context.Context) (bool, error) { return policy.Public(ctx, host) })
	return public, err
}

// askName asks for the Service of a name and, where it has two labels, for the one whose Pod it may be, both at once: the
// name of another network costs one round trip. The second is the same for all names with one last label.
func (c *Cluster) askName(ctx context.Context, n name) (exists, isMember bool, err error) {
	var memberErr error
	var wg sync.WaitGroup
	wg.Go(func() { isMember, memberErr = c.askMember(ctx, n) })
	exists, err = c.resolver.exists(ctx, serviceKey{n.namespace, n.service})
	wg.Wait()
	if exists || isMember {
		return exists, isMember, nil
	}
	return false, false, cmp.Or(err, memberErr)
}

// askMember reports whether a name of two labels is that of a Pod of a Service in the context's namespace.
func (c *Cluster) askMember(ctx context.Context, n name) (bool, error) {
	if n.own == "" {
		return false, nil
	}
	if there, err := c.resolver.exists(ctx, serviceKey{n.own, n.namespace}); err != nil || !there {
		return false, err
	}
	completed, err := c.resolver.complete(ctx, n)
	if isSilent(err) {
		return false, err
	}
	return err == nil && completed.meaning == memberName, nil // else it says that there is no such Pod
}

func (c *Cluster) claimsAddress(ctx context.Context, n name) (claimed bool, why string, err error) {
	o, known := c.resolver.owners.peek(n)
	trouble := c.health.trouble(known)
	switch {
	case trouble == nil:
		o, err = c.askOwner(ctx, n)
	case !known:
		err = trouble
	}
	switch {
	case c.resolver.expects(n.address):
		return true, "it is in a range of the cluster's", nil
	case isSilent(err):
		return false, "", err
	case err != nil:
		return false, "it may not be looked for, or cannot be", nil
	case o.hostNetwork:
		return c.policy.Load().HostNetwork, "it is a node's", nil
	case o.pod.Pod != "":
		return true, fmt.Sprintf("Pod %s/%s has it", o.pod.Namespace, o.pod.Pod), nil
	case o.service.name != "":
		return true, fmt.Sprintf("Service %s/%s has it", o.service.namespace, o.service.name), nil
	}
	return false, "no Service and no Pod has it", nil
}

// askOwner asks for an address's owner, and after that, once, for the ranges. They are waited for where it has none.
func (c *Cluster) askOwner(ctx context.Context, n name) (owner, error) {
	r := c.resolver
	o, _, err := r.owner(ctx, n)
	switch {
	case isSilent(err):
	case o == (owner{}):
		_ = r.askRanges(ctx) // without them it is as if there were none
	default:
		r.ranges.start(struct{}{}, r.fetchRanges)
	}
	return o, err
}

// maxDecisions bounds how many decisions are remembered for the log.
const maxDecisions = 1024

// decisions remembers what was decided, so that it is logged once.
type decisions struct {
	mu   sync.Mutex
	made map[string]bool
}

func (d *decisions) changed(host string, claimed bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if before, known := d.made[host]; known && before == claimed {
		return false
	}
	if d.made == nil || len(d.made) >= maxDecisions {
		d.made = map[string]bool{}
	}
	d.made[host] = claimed
	return true
}
