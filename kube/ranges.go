package kube

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"sync"
)

// The widest ranges that are believed, in bits of the prefix, and what all of a family may cover together: a cluster cannot
// claim half of all private addresses.
const (
	widest4 = 8
	widest6 = 32
)

// maxKnown bounds how many single addresses are among those known: they are written into files for browsers.
const maxKnown = 256

// Known gives the addresses that are known to be the cluster's: those of the settings, the ranges of its Services and
// Pods as far as they were asked for, and some of the addresses seen in its objects. It asks nobody.
func (c *Cluster) Known() []netip.Prefix {
	list := slices.Concat(c.policy.Load().Addresses, c.resolver.knownRanges())
	most := len(list) + maxKnown
	for _, p := range c.resolver.seen.sure() {
		if len(list) < most && !slices.ContainsFunc(list, func(wider netip.Prefix) bool { return wider.Contains(p.Addr()) }) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list)
}

// Ranges is Known after asking for the ranges of Services and Pods, which costs two requests once an hour at most. Where
// they may not be read, the API server is out of reach, or there is no login, it gives what is known without them: browsers
// ask for this by themselves, so that it runs no credential plugin.
func (c *Cluster) Ranges(ctx context.Context) []netip.Prefix {
	if asked, end, err := c.begin(ctx); err == nil {
		if c.LoggedIn() {
			_ = c.resolver.askRanges(asked) // what could not be asked for is not known
		}
		end()
	}
	return c.Known()
}

// askRanges asks for the ranges once. Its error is that nobody could be asked.
func (r *resolver) askRanges(ctx context.Context) error {
	_, _, err := r.ranges.get(ctx, struct{}{}, r.fetchRanges)
	return err
}

func (r *resolver) fetchRanges(ctx context.Context) ([]netip.Prefix, error) {
	var services, pods []string
	var servicesErr, podsErr error
	var wg sync.WaitGroup
	wg.Go(func() { services, servicesErr = r.ask.ServiceRanges(ctx) })
	pods, podsErr = r.ask.PodRanges(ctx)
	wg.Wait()
	for _, err := range []error{servicesErr, podsErr} {
		if isSilent(err) {
			return nil, err
		}
	}
	return privateRanges(append(services, pods...)), nil
}

// privateRanges reads CIDRs and keeps those that lie in the private ranges. Addresses of the Internet are the cluster's by
// the settings alone: no cluster can draw them to itself. It leaves out what goes beyond the bound of all together.
func privateRanges(texts []string) (list []netip.Prefix) {
	left4, left6 := 1.0, 1.0 // of a widest range
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

// last is the last address of a range.
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

func (r *resolver) knownRanges() []netip.Prefix {
	list, _ := r.ranges.peek(struct{}{})
	return list
}

// expects tells whether an address is in a range that is known to be the cluster's.
func (r *resolver) expects(addr netip.Addr) bool {
	return r.policy().covers(addr) ||
		slices.ContainsFunc(r.knownRanges(), func(p netip.Prefix) bool { return p.Contains(addr) })
}
