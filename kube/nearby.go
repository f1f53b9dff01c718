package kube

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
	"fairlead/kube/objects"
)

// The bounds of suggestions: how long a failed dial waits for one, for how many names a minute the API server is asked, and
// how many namespaces one names.
const (
	nearbyWithin    = time.Second
	nearbyPerMinute = 20
	maxNearby       = 3
)

// nearbyLasts spares the API server when a name is dialled again and again.
var nearbyLasts = shelfLife{fresh: time.Minute}

// A quota allows nearbyPerMinute events a minute. The zero quota is ready to use.
type quota struct {
	mu    sync.Mutex
	began time.Time
	used  int
}

// take counts an event, and reports whether it is within the quota.
func (q *quota) take(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.began) > time.Minute {
		q.began, q.used = now, 0
	}
	q.used++
	return q.used <= nearbyPerMinute
}

// suggest adds suggestions to the error about a missing Service: the other namespaces that are known to have a Service of
// that name, and similar names in its own namespace. It lists the Services of its own namespace only.
func (l *serviceLookup) suggest(ctx context.Context, key objects.ServiceKey, err error) error {
	return l.suggested(ctx, key, err, l.knownElsewhere(key))
}

// noService returns the error for a Service that could not be got, with suggestions. For a walk they come from all namespaces.
func (r *resolver) noService(ctx context.Context, key objects.ServiceKey, err error) error {
	err = r.absent(ctx, key, err)
	if traceOf(ctx) != nil {
		return r.suggestWidely(ctx, key, err)
	}
	return r.suggest(ctx, key, err)
}

// suggestWidely is like suggest, but also asks for Services of that name in all namespaces, if that is allowed.
func (l *serviceLookup) suggestWidely(ctx context.Context, key objects.ServiceKey, err error) error {
	if !isAbsent(err, fault.Service) {
		return err
	}
	elsewhere := l.knownElsewhere(key)
	if l.namespaces.mayListAll("services") {
		list, err := l.ask.ServicesNamed(ctx, key.Name)
		if api.IsForbidden(err) {
			l.namespaces.forbidAll("services")
		}
		for _, s := range list {
			elsewhere = append(elsewhere, s.Namespace)
		}
	}
	return l.suggested(ctx, key, err, elsewhere)
}

// suggested returns err with elsewhere and with similar names, if it is about a missing Service.
func (l *serviceLookup) suggested(ctx context.Context, key objects.ServiceKey, err error, elsewhere []string) error {
	absent, ok := errors.AsType[*fault.NotFound](err)
	if !ok || absent.Kind != fault.Service {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, nearbyWithin)
	defer cancel()
	names, _, _ := l.nearby.get(ctx, key, func(ctx context.Context) ([]string, error) { return l.namesLike(ctx, key) })
	slices.Sort(elsewhere)
	elsewhere = slices.Compact(elsewhere)
	e := *absent
	e.Elsewhere, e.Near = elsewhere[:min(len(elsewhere), maxNearby)], names
	return &e
}

// knownElsewhere returns the other namespaces in which a Service of that name was found.
func (l *serviceLookup) knownElsewhere(key objects.ServiceKey) (namespaces []string) {
	l.services.each(func(other objects.ServiceKey, _ *objects.Service) {
		if other.Name == key.Name && other.Namespace != key.Namespace {
			namespaces = append(namespaces, other.Namespace)
		}
	})
	return namespaces
}

// namesLike asks for the Services of a namespace, and returns the names that are similar to key's.
func (l *serviceLookup) namesLike(ctx context.Context, key objects.ServiceKey) ([]string, error) {
	if !l.suggestions.take(time.Now()) {
		return nil, nil
	}
	list, err := l.ask.SomeServices(ctx, key.Namespace)
	var names []kubeconfig.Context
	for _, s := range list {
		names = append(names, kubeconfig.Context{Name: s.Name})
	}
	return kubeconfig.Closest(key.Name, names), err
}
