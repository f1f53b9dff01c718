package kube

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// How long answers count. An answer in use is renewed beside its use, so that a name that is used costs no connection a
// round trip; one that went out of date meanwhile is noticed by the dial, which then asks anew and tries again.
const nothingLasts = time.Second // errors, and Services without a ready endpoint

var (
	answerLasts = shelfLife{fresh: 3 * time.Second, stale: 30 * time.Second, kept: 2 * time.Minute}
	// A Service seldom changes but for its endpoints. It is asked for again before it is said that it has not what a client
	// wants; see follow.
	serviceLasts = shelfLife{fresh: 30 * time.Second, stale: 2 * time.Minute, kept: 2 * time.Minute}
	// Whether a name or an address that other networks may have as well is the cluster's. With the API server out of
	// reach the last decision holds.
	claimLasts  = shelfLife{fresh: time.Minute, stale: 10 * time.Minute, kept: time.Hour}
	rangesLast  = shelfLife{fresh: time.Hour, stale: 24 * time.Hour, kept: 7 * 24 * time.Hour}
	nobodyLasts = shelfLife{fresh: nothingLasts}
)

func newResolver(a *api.Client, namespace string, policy func() *Policy) *resolver {
	r := &resolver{
		api:        a,
		ask:        objects.Questions{API: a},
		policy:     policy,
		namespaces: newNamespaces(namespace, policy),
		seen:       newSeen(),
		networks:   newNetworks(),
		services: newCache[objects.ServiceKey](or(func(s *objects.Service) shelfLife {
			if s.ExternalName != "" {
				return answerLasts
			}
			return serviceLasts
		})),
		endpoints: newCache[objects.ServiceKey](or(func(set objects.Endpoints) shelfLife {
			if !set.HasReady() {
				return nobodyLasts
			}
			return answerLasts
		})),
		pods: newCache[objects.PodKey](or(func(objects.Pod) shelfLife { return answerLasts })),
		owners: newCache[name](func(o owner, err error) shelfLife {
			switch {
			case api.IsForbidden(err):
				return claimLasts
			case err != nil:
				return shelfLife{fresh: nothingLasts, silent: isSilent(err)}
			case o.service.Name != "" || o.pod.Pod != "" && !o.hostNetwork:
				return shelfLife{fresh: answerLasts.fresh, stale: answerLasts.stale, kept: claimLasts.kept}
			case o.expected:
				return nobodyLasts
			}
			return claimLasts
		}),
		members: newCache[name](or(func(bool) shelfLife { return claimLasts })),
		missing: newCache[string](or(func(missing bool) shelfLife {
			if missing {
				return nobodyLasts
			}
			return claimLasts
		})),
		claims:    newCache[objects.ServiceKey](or(func(bool) shelfLife { return claimLasts })),
		public:    newCache[string](or(func(bool) shelfLife { return claimLasts })),
		balancers: newCache[string](or(func(map[netip.Addr]objects.ServiceKey) shelfLife { return claimLasts })),
		nearby:    newCache[objects.ServiceKey](or(func([]string) shelfLife { return nearbyLasts })),
		ranges:    newCache[struct{}](or(func([]netip.Prefix) shelfLife { return rangesLast })),
	}
	r.services.costs = func(s *objects.Service) int {
		if s == nil {
			return 0 // an error
		}
		return s.Cost
	}
	r.endpoints.costs = objects.Endpoints.Cost
	return r
}

// or gives errors a short life, and calls those silent that say nothing of what was asked.
func or[V any](lasts func(V) shelfLife) func(V, error) shelfLife {
	return func(value V, err error) shelfLife {
		if err == nil {
			return lasts(value)
		}
		return shelfLife{fresh: nothingLasts, silent: isSilent(err)}
	}
}

// isSilent tells an error that says nothing of what was asked for: the question reached nobody who knows.
func isSilent(err error) bool {
	var away *fault.Unreachable
	var login *fault.Login
	var inTheWay *fault.Blocked
	var machine *fault.Machine
	return isOversized(err) || errors.As(err, &away) || errors.As(err, &login) || errors.As(err, &inTheWay) || errors.As(err, &machine) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isOversized reports whether there is an answer, and it was not read to its end.
func isOversized(err error) bool {
	var big *fault.Oversized
	return errors.As(err, &big)
}

// stop ends the requests under way and waits for them.
func (r *resolver) stop() {
	r.members.stop() // which asks the others
	r.services.stop()
	r.endpoints.stop()
	r.missing.stop()
	r.pods.stop()
	r.owners.stop()
	r.claims.stop()
	r.public.stop()
	r.balancers.stop()
	r.ranges.stop()
	r.nearby.stop()
}
