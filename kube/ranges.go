package kube

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"sync"
)

// The widest ranges that are accepted, in bits of the prefix. All ranges of a family together may not cover more than one of
// that size, so that a cluster cannot claim half of all private addresses.
const (
	widest4 = 8
	widest6 = 32
)

// maxKnown bounds how many single addresses Known returns: they are written into files for browsers.
const maxKnown = 256

// Known returns the addresses that are known to be in the cluster: those of the policy, the ranges of Services and Pods if
// they were asked for, and some addresses seen in objects. It does not ask the API server.
func (c *Cluster) Known() []netip.Prefix {
	list := slices.Concat(c.policy.Load().Addresses, c.resolver.knownRanges())
	most := len(list) + maxKnown
	for _, p := range c.resolver.seen.privateAddresses() {
		if len(list) < most && !slices.ContainsFunc(list, func(wider netip.Prefix) bool { return wider.Contains(p.Addr()) }) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list)
}

// Ranges asks for the ranges of Services and Pods, and returns what Known returns then. That costs two requests, at most once
// an hour. If the user may not read the ranges, the API server is unreachable, or there are no credentials, it returns what
// is known without them. It runs no credential plugin, because browsers ask for this without the user.
func (c *Cluster) Ranges(ctx context.Context) []netip.Prefix {
	if ctx, end, err := c.begin(ctx); err == nil {
		if c.LoggedIn() {
			_ = c.resolver.askRanges(ctx) // if it fails, the ranges stay unknown
		}
		end()
	}
	return c.Known()
}

// askRanges asks for the ranges, unless they are cached. It returns an error only if the API server did not answer.
func (l *rangeLookup) askRanges(ctx context.Context) error {
	_, _, err := l.ranges.get(ctx, struct{}{}, l.fetchRanges)
	return err
}

// fetchRanges asks for the ranges of Services and of Pods at the same time.
func (l *rangeLookup) fetchRanges(ctx context.Context) ([]netip.Prefix, error) {
	var services, pods []string
	var servicesErr, podsErr error
	var wg sync.WaitGroup
	wg.Go(func() { services, servicesErr = l.ask.ServiceRanges(ctx) })
	pods, podsErr = l.ask.PodRanges(ctx)
	wg.Wait()
	for _, err := range []error{servicesErr, podsErr} {
		if isSilent(err) {
			return nil, err
		}
	}
	return privateRanges(append(services, pods...)), nil
}

// privateRanges parses CIDRs, and returns those that are private and within the bounds. Public addresses are in the cluster
// only by the policy, so that no cluster can claim them.
func privateRanges(texts []string) (list []netip.Prefix) {
	left4, left6 := 1.0, 1.0 // as shares of a widest range
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		p = unmapped(p)
		narrow := p.Bits() >= widest4 && p.Addr().Is4() || p.Bits() >= widest6 && p.Addr().Is6()
		if !narrow || !isPrivate(p.Addr()) || !isPrivate(last(p)) || slices.Contains(list, p) {
			continue
		}
		left, share := &left4, math.Ldexp(1, widest4-p.Bits())
		if p.Addr().Is6() {
			left, share = &left6, math.Ldexp(1, widest6-p.Bits())
		}
		if slices.ContainsFunc(list, func(wider netip.Prefix) bool { return wider.Bits() <= p.Bits() && wider.Contains(p.Addr()) }) {
			share = 0
		}
		if share <= *left {
			*left -= share
			list = append(list, p)
		}
	}
	return list
}

// last returns the last address of a range.
func last(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := range bytes {
		if free := (i+1)*8 - p.Bits(); free > 0 {
			bytes[i] |= byte(1<<min(free, 8) - 1)
		}
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// knownRanges returns the ranges if they are cached.
func (l *rangeLookup) knownRanges() []netip.Prefix {
	list, _ := l.ranges.peek(struct{}{})
	return list
}

// expects reports whether an address is one of the policy's or in a known range of the cluster.
func (l *rangeLookup) expects(addr netip.Addr) bool {
	return l.policy().covers(addr) ||
		slices.ContainsFunc(l.knownRanges(), func(p netip.Prefix) bool { return p.Contains(addr) })
}
