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

// The times for which answers are used. An answer in use is renewed in the background, so that connections by a name in use
// wait for no round trip. If the answer was out of date, the dial notices, asks again and tries the new endpoints.
const errorLasts = time.Second

var (
	emptyLasts  = shelfLife{fresh: errorLasts} // for Services without a ready endpoint, and the like
	answerLasts = shelfLife{fresh: 3 * time.Second, stale: 30 * time.Second, kept: 2 * time.Minute}
	// A Service seldom changes except for its endpoints. It is asked for again before a port counts as missing, see follow.
	serviceLasts = shelfLife{fresh: 30 * time.Second, stale: 2 * time.Minute, kept: 2 * time.Minute}
	// claimLasts is for the decision whether a name or an address that other networks may have is in the cluster. While the
	// API server is unreachable the last decision holds.
	claimLasts = shelfLife{fresh: time.Minute, stale: 10 * time.Minute, kept: time.Hour}
	rangesLast = shelfLife{fresh: time.Hour, stale: 24 * time.Hour, kept: 7 * 24 * time.Hour}
)

func newResolver(a *api.Client, namespace string, policy func() *Policy) *resolver {
	q := &questioner{api: a, ask: objects.Questions{API: a}, policy: policy, namespaces: newNamespaces(namespace, policy), seen: newSeen()}
	r := &resolver{
		questioner:    q,
		serviceLookup: newServiceLookup(q),
		podLookup: &podLookup{
			questioner: q, networks: newNetworks(), pods: newCache[objects.PodKey](withShortErrors(func(objects.Pod) shelfLife { return answerLasts })),
			selected: newCache[name](withShortErrors(func([]objects.Pod) shelfLife { return shelfLife{fresh: answerLasts.fresh} })),
		},
		rangeLookup: &rangeLookup{questioner: q, ranges: newCache[struct{}](withShortErrors(func([]netip.Prefix) shelfLife { return rangesLast }))},
		members:     newCache[name](withShortErrors(func(bool) shelfLife { return claimLasts })),
		public:      newCache[string](withShortErrors(func(bool) shelfLife { return claimLasts })),
	}
	r.addressLookup = newAddressLookup(r)
	return r
}

func newServiceLookup(q *questioner) *serviceLookup {
	l := &serviceLookup{
		questioner: q,
		services: newCache[objects.ServiceKey](withShortErrors(func(s *objects.Service) shelfLife {
			if s.ExternalName != "" {
				return answerLasts
			}
			return serviceLasts
		})),
		endpoints: newCache[objects.ServiceKey](withShortErrors(func(set objects.Endpoints) shelfLife {
			if !set.HasReady() {
				return emptyLasts
			}
			return answerLasts
		})),
		missing: newCache[string](withShortErrors(func(missing bool) shelfLife {
			if missing {
				return emptyLasts
			}
			return claimLasts
		})),
		claims: newCache[objects.ServiceKey](withShortErrors(func(bool) shelfLife { return claimLasts })),
		nearby: newCache[objects.ServiceKey](withShortErrors(func([]string) shelfLife { return nearbyLasts })),
	}
	l.services.costs = func(s *objects.Service) int {
		if s == nil {
			return 0 // an error
		}
		return s.Cost
	}
	l.endpoints.costs = objects.Endpoints.Cost
	return l
}

func newAddressLookup(r *resolver) *addressLookup {
	return &addressLookup{
		questioner: r.questioner, named: r.serviceLookup, podFacts: r.podLookup, clusterRanges: r.rangeLookup,
		owners: newCache[name](func(o owner, err error) shelfLife {
			switch {
			case api.IsForbidden(err):
				return claimLasts
			case err != nil:
				return shelfLife{fresh: errorLasts, silent: isSilent(err)}
			case o.service.Name != "" || o.pod.Pod != "" && !o.hostNetwork:
				return shelfLife{fresh: answerLasts.fresh, stale: answerLasts.stale, kept: claimLasts.kept}
			case o.expected:
				return emptyLasts
			}
			return claimLasts
		}),
		balancers: newCache[string](withShortErrors(func(map[netip.Addr]objects.ServiceKey) shelfLife { return claimLasts })),
	}
}

// withShortErrors returns lasts with a short shelf life for errors.
func withShortErrors[V any](lasts func(V) shelfLife) func(V, error) shelfLife {
	return func(value V, err error) shelfLife {
		if err == nil {
			return lasts(value)
		}
		return shelfLife{fresh: errorLasts, silent: isSilent(err)}
	}
}

// isSilent reports whether err says nothing about the question: the API server did not answer it, or the answer could not be
// read.
func isSilent(err error) bool {
	return isOversized(err) || errors.As(err, new(*fault.Unreachable)) || errors.As(err, new(*fault.Login)) ||
		errors.As(err, new(*fault.Blocked)) || errors.As(err, new(*fault.Machine)) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isOversized reports whether err says that an answer was too large to be read.
func isOversized(err error) bool { return errors.As(err, new(*fault.Oversized)) }

// stop cancels the running requests and waits for them.
func (r *resolver) stop() {
	r.members.stop() // first, because its requests use the others
	r.services.stop()
	r.endpoints.stop()
	r.missing.stop()
	r.pods.stop()
	r.selected.stop()
	r.owners.stop()
	r.claims.stop()
	r.public.stop()
	r.balancers.stop()
	r.ranges.stop()
	r.nearby.stop()
}
