package kube

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"fairlead/kube/fault"
)

// doubtLasts bounds the question whose a name or an address is.
const doubtLasts = 3 * time.Second

// Owns tells whether host, a name or an IP address, is the cluster's as far as is known. It asks nobody: a Service of that
// name need not be there, and an address is the cluster's when Known has it. Claims asks about the others.
func (c *Cluster) Owns(host string) bool {
	n := parseName(host, c.Namespace())
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
// One that does not exist, that may not be looked at, or that the API server says nothing
// about within doubtLasts, is not: with a cluster out of reach, the names of other networks stay theirs.
//
// An address of the private ranges is the cluster's when it is in a range of its Services or Pods, or when a Service or a
// Pod has it, in all namespaces or in those that one may see. One that nobody has is outside, and so is a node's, unless
// the policy allows Pods on their node's network. When the API server says nothing, the last decision holds; an address
// that none was made about is outside if it lies on a network that this machine is on itself, and else the cluster's, so
// that the dial fails and says why. For a name a wrong guess leads nowhere, but of two hosts with one address the wrong
// one would be sent what is meant for the other.
//
// Addresses of the Internet are the cluster's by the policy alone. Decisions are remembered for a minute, renewed in use,
// and logged. Errors are of ctx and of a Cluster that does not run.
func (c *Cluster) Claims(ctx context.Context, host string) (bool, error) {
	n := parseName(host, c.Namespace())
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
	asked, cancel := context.WithTimeout(asked, doubtLasts)
	defer cancel()
	var claimed bool
	var why string
	if address {
		claimed, why = c.claimsAddress(asked, n)
	} else {
		claimed, why = c.claimsName(asked, n)
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if c.decisions.changed(host, claimed) {
		c.log.Info().Str("host", host).Bool("cluster", claimed).Str("because", why).Msg("decided whose a host is")
	}
	return claimed, nil
}

func (c *Cluster) claimsName(ctx context.Context, n name) (claimed bool, why string) {
	key := serviceKey{n.namespace, n.service}
	exists, known := c.resolver.claims.peek(key)
	if !known && c.outOfReach() {
		return false, "the API server is out of reach"
	}
	isMember, _ := c.resolver.members.peek(n)
	if !known || !c.outOfReach() {
		var err error
		if exists, isMember, err = c.askName(ctx, n); err != nil {
			return false, "the API server cannot be asked for such a Service"
		}
	}
	switch {
	case exists:
		return true, "there is such a Service"
	case isMember:
		return true, "a Service of the context's namespace has such a Pod"
	}
	return false, "there is no such Service, or it may not be looked at"
}

// askName asks for the Service of a name and, where it has two labels, for the one whose Pod it may be, both at once: the
// name of another network costs one round trip. The second is the same for all names with one last label.
func (c *Cluster) askName(ctx context.Context, n name) (exists, isMember bool, err error) {
	r := c.resolver
	var wg sync.WaitGroup
	if n.own != "" {
		wg.Go(func() {
			if there, err := r.exists(ctx, serviceKey{n.own, n.namespace}); err == nil && there {
				completed, err := r.complete(ctx, n)
				isMember = err == nil && completed.meaning == memberName
			}
		})
	}
	exists, err = r.exists(ctx, serviceKey{n.namespace, n.service})
	wg.Wait()
	return exists, isMember, err
}

func (c *Cluster) claimsAddress(ctx context.Context, n name) (claimed bool, why string) {
	o, known := c.resolver.owners.peek(n)
	var err error
	switch {
	case !c.outOfReach():
		o, err = c.askOwner(ctx, n)
	case !known:
		err = &fault.Unreachable{Server: c.api.faults.server}
	}
	switch {
	case c.resolver.expects(n.address):
		return true, "it is in a range of the cluster's"
	case isSilent(err) && onOwnNetwork(n.address):
		return false, "this machine is on its network, and the API server cannot be asked"
	case isSilent(err):
		return true, "the API server cannot be asked, and it may be the cluster's"
	case err != nil:
		return false, "it may not be looked for, or cannot be"
	case o.hostNetwork:
		return c.policy.Load().HostNetwork, "it is a node's"
	case o.pod.Pod != "":
		return true, fmt.Sprintf("Pod %s/%s has it", o.pod.Namespace, o.pod.Pod)
	case o.service.name != "":
		return true, fmt.Sprintf("Service %s/%s has it", o.service.namespace, o.service.name)
	}
	return false, "no Service and no Pod has it"
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

// outOfReach tells that the API server answered the last question with nothing of use.
func (c *Cluster) outOfReach() bool { return c.health.is(unreachable) || c.health.is(loggedOut) }

// onOwnNetwork tells whether this machine has an address of addr's network.
func onOwnNetwork(addr netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && unmapped(p).Contains(addr) {
			return true
		}
	}
	return false
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
