package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
	"fairlead/proxy/safetext"
)

// maxAliases bounds the length of a chain of ExternalName Services.
const maxAliases = 4

// A resolver resolves names to Pods. The name of a Service costs at most two questions, and none while their answers are
// cached; remember.go has the times.
type resolver struct {
	*questioner
	*serviceLookup
	*podLookup
	*rangeLookup
	*addressLookup
	members *cache[name, bool]   // of names of two labels: whether they are a Pod's
	public  *cache[string, bool] // of names of two labels: whether other networks have them
}

// A questioner is what all lookups share: the API server, the policy, and hints from earlier answers.
type questioner struct {
	api        *api.Client
	ask        objects.Questions
	policy     func() *Policy
	namespaces *namespaces
	seen       *seen
}

// A serviceLookup finds Services by their names, with their endpoints.
type serviceLookup struct {
	*questioner
	services    *cache[objects.ServiceKey, *objects.Service] // without their endpoints
	endpoints   *cache[objects.ServiceKey, objects.Endpoints]
	watches     *endpointWatches     // of the Services in use; used instead of endpoints
	missing     *cache[string, bool] // of namespaces: whether they do not exist
	claims      *cache[objects.ServiceKey, bool]
	nearby      *cache[objects.ServiceKey, []string] // of Services that do not exist: names like theirs
	suggestions quota                                // of requests for nearby
}

// A podLookup finds Pods by their names, and whether they share their nodes' network.
type podLookup struct {
	*questioner
	pods     *cache[objects.PodKey, objects.Pod]
	networks *networks
	selected *cache[name, []objects.Pod] // by workloads
}

// A rangeLookup finds the ranges of the cluster's addresses.
type rangeLookup struct {
	*questioner
	ranges *cache[struct{}, []netip.Prefix]
}

// An addressLookup finds what has an address.
type addressLookup struct {
	*questioner
	named         *serviceLookup
	podFacts      *podLookup
	clusterRanges *rangeLookup
	owners        *cache[name, owner]
	balancers     *cache[string, map[netip.Addr]objects.ServiceKey]
}

// A resolution is the result of resolving a name, and the answers that it is based on.
type resolution struct {
	pods      []endpoint // to try in this order
	single    bool       // the name is that of one Pod, which no other can replace
	outside   []string   // if there are no Pods: the hosts that the name leads to, as "host:port"
	why       string     // explains outside, for an error
	asked     time.Time  // when the oldest of the answers was asked for
	addresses []name
	services  []objects.ServiceKey
	named     []objects.PodKey
	workloads []name
}

// resolve returns the Pods to try for a name and a port.
func (r *resolver) resolve(ctx context.Context, n name, port int) (resolution, error) {
	to := resolution{asked: time.Now()}
	if n.memberNamespace != "" {
		traceOf(ctx).enter(StepService)
	}
	n, err := r.complete(ctx, n)
	if err != nil {
		return to, err
	}
	return to, r.follow(ctx, n, port, &to)
}

// resolveOwned returns the Pods to try for an address and a port, given the owner of the address and when it was asked for.
func (r *resolver) resolveOwned(ctx context.Context, n name, o owner, asked time.Time, port int) (resolution, error) {
	to := resolution{asked: time.Now()}
	n, err := to.addOwner(ctx, n, o, asked, port)
	if err != nil || n.meaning != serviceName {
		return to, err
	}
	return to, r.follow(ctx, n, port, &to)
}

// follow resolves a name of any meaning, and follows ExternalName Services. Port 0 stands for a Service's first TCP port.
func (r *resolver) follow(ctx context.Context, n name, port int, to *resolution) (err error) {
	t := traceOf(ctx)
	for range maxAliases + 1 {
		if n.meaning == clusterAddress {
			if n, err = r.resolveAddress(ctx, n, port, to); err != nil || n.meaning != serviceName {
				return err
			}
		}
		if n.meaning == podName {
			return r.namedPod(ctx, n, port, to)
		}
		if n.meaning == workloadName {
			return r.workload(ctx, n, port, to)
		}
		key := objects.ServiceKey{Namespace: n.namespace, Name: n.service}
		t.enter(StepService)
		s, asked, err := r.service(ctx, key)
		if err != nil {
			return r.noService(ctx, key, err)
		}
		to.services = append(to.services, key)
		to.basedOn(asked)
		if s.ExternalName == "" {
			if port == 0 {
				port = s.FirstPort()
			}
			if port == 0 && s.Headless {
				return &net.AddrError{Err: "a headless Service takes any port, so one has to be named", Addr: s.Name}
			}
			err := n.endpoints(s, port, to)
			if err == nil || time.Since(s.Described) < errorLasts {
				t.service(s)
				if n.meaning == memberName || s.Takes(port) {
					t.endpoints(s, port, to)
				}
				return err
			}
			r.services.forget(key, s.Described) // it may have changed or be gone
			continue
		}
		t.notef("an ExternalName for %s", api.Excerpt(s.ExternalName))
		next, inside := alias(s)
		switch {
		case inside && next.meaning == noName:
			return &fault.NotFound{Kind: fault.Name, Name: api.Excerpt(s.ExternalName)}
		case !inside && port == 0:
			t.notef(noteOutside + "; " + noteUntried)
			return errNoPort
		case !inside:
			if objects.IsHost(s.ExternalName) {
				to.outside = []string{net.JoinHostPort(strings.TrimSuffix(s.ExternalName, "."), strconv.Itoa(port))}
			}
			to.why = fmt.Sprintf("Service %s/%s is an ExternalName for %s, which is outside the cluster",
				s.Namespace, s.Name, api.Excerpt(s.ExternalName))
			return nil
		}
		n = next
	}
	return &fault.Unsupported{What: fmt.Sprintf(
		"Service %s/%s is an ExternalName that leads to others without end", n.namespace, n.service)}
}

// resolveAddress asks for the owner of an address, and calls addOwner.
func (r *resolver) resolveAddress(ctx context.Context, n name, port int, to *resolution) (name, error) {
	o, asked, err := r.owner(ctx, n)
	if err != nil {
		return name{}, err
	}
	return to.addOwner(ctx, n, o, asked, port)
}

// portless returns the error for a Pod without a port.
func portless(host string) error {
	return &net.AddrError{Err: "a Pod takes any port, so one has to be named", Addr: host}
}

// addOwner adds the Pod that owns an address, or returns the name of the Service that owns it.
func (to *resolution) addOwner(ctx context.Context, n name, o owner, asked time.Time, port int) (name, error) {
	to.addresses = append(to.addresses, n)
	to.basedOn(asked)
	t := traceOf(ctx)
	switch {
	case o.pod.Pod != "":
		t.notef("the address of Pod %s in namespace %s", o.pod.Pod, o.pod.Namespace)
		if port == 0 {
			return name{}, portless(n.address.String())
		}
		o.pod.Port = port
		to.pods = []endpoint{o.pod}
		return name{}, nil
	case o.service.Name == "":
		return name{}, &fault.NotFound{Kind: fault.Address, Name: n.address.String()}
	}
	t.notef("the address of Service %s in namespace %s", o.service.Name, o.service.Namespace)
	return name{meaning: serviceName, namespace: o.service.Namespace, service: o.service.Name}, nil
}

// complete decides what a name of two labels stands for, like a search list: SERVICE.NAMESPACE if there is such a Service,
// or else POD.SERVICE in the context's own namespace if that Service has such a Pod. If there is neither, the error says
// what is missing. The name of a Service costs no extra question, that of a Pod the questions for a Service that does not
// exist. The decision is cached for claimLasts.
func (r *resolver) complete(ctx context.Context, n name) (name, error) {
	if n.memberNamespace == "" {
		return n, nil
	}
	isMember, _, err := r.members.get(ctx, n, func(ctx context.Context) (bool, error) { return r.isMember(ctx, n) })
	if err != nil {
		return name{}, err
	}
	if isMember {
		return n.asMember(), nil
	}
	return n.asService(), nil
}

// asService returns the name as one that is known to be in the cluster, and not a Pod's.
func (n name) asService() name {
	n.memberNamespace, n.doubtful = "", false
	return n
}

// asMember returns a name of two labels as POD.SERVICE.
func (n name) asMember() name {
	return name{meaning: memberName, pod: n.service, service: n.namespace, namespace: n.memberNamespace}
}

// isMember reports whether a name of two labels is POD.SERVICE.
func (r *resolver) isMember(ctx context.Context, n name) (bool, error) {
	key := objects.ServiceKey{Namespace: n.namespace, Name: n.service}
	_, _, err := r.service(ctx, key)
	if !isNotFound(err) && !api.IsForbidden(err) {
		return false, err
	}
	s, _, memberErr := r.service(ctx, objects.ServiceKey{Namespace: n.memberNamespace, Name: n.namespace})
	if memberErr != nil {
		if isSilent(memberErr) {
			return false, memberErr
		}
		return false, r.absent(ctx, key, err)
	}
	_, memberErr = s.Member(n.service, 0)
	if !isNotFound(memberErr) {
		return true, nil // even if the Pod is not ready
	}
	if err = r.absent(ctx, key, err); isNotFound(err) && !isAbsent(err, fault.Namespace) {
		return false, err
	}
	return false, memberErr
}

// basedOn records the time at which an answer was asked for that the resolution is based on.
func (to *resolution) basedOn(asked time.Time) {
	if asked.Before(to.asked) {
		to.asked = asked
	}
}

// endpoints adds the endpoints of a Service that a name stands for.
func (n name) endpoints(s *objects.Service, port int, to *resolution) (err error) {
	if n.meaning == memberName {
		to.single = true
		to.pods, err = s.Member(n.pod, port)
		return err
	}
	to.pods, to.outside, err = s.Endpoints(port)
	if len(to.outside) > 0 {
		to.why = fmt.Sprintf("Service %s/%s leads to %s, which is no Pod", s.Namespace, s.Name, safetext.Clean(to.outside[0]))
	}
	return err
}

// alias returns the name that an ExternalName Service stands for, and whether it is in the cluster. It is not completed with
// the context's namespace: only a name with the label svc or pod is in the cluster.
func alias(s *objects.Service) (_ name, inside bool) {
	n := parseName(s.ExternalName, "").unzoned()
	switch n.meaning {
	case noName, podName:
		return n, true
	case serviceName, memberName:
		return n, n.namespace != "" && n.memberNamespace == "" && !n.doubtful && strings.Count(s.ExternalName, ".") >= 2
	}
	return n, n.meaning == clusterAddress && n.namespace != ""
}

// forget drops the answers that a resolution is based on, because a dial found them out of date. It keeps answers that were
// asked for after known: another dial may have found out before.
func (r *resolver) forget(old resolution, known time.Time) {
	for _, n := range old.addresses {
		r.owners.forget(n, known)
	}
	for _, key := range old.services {
		r.endpoints.forget(key, known)
		r.watches.doubt(key)
	}
	for _, n := range old.workloads {
		r.selected.forget(n, known)
	}
	for _, key := range old.named {
		r.pods.forget(key, known)
	}
}

// changes returns a channel that is closed when a resolution may have changed; nil if its Service is not watched.
func (l *serviceLookup) changes(of resolution) <-chan struct{} {
	if len(of.services) == 0 {
		return nil
	}
	return l.watches.changes(of.services[len(of.services)-1])
}

// service returns a Service with its endpoints, and when those were asked for; now, if they are watched.
func (l *serviceLookup) service(ctx context.Context, key objects.ServiceKey) (*objects.Service, time.Time, error) {
	facts, asked, err := l.described(ctx, key)
	if err != nil || facts.ExternalName != "" {
		return facts, asked, err
	}
	s := *facts
	s.Described = asked
	if set, ok := l.watches.current(key); ok {
		s.Slices = set.Slices
		return &s, time.Now(), nil
	}
	set, asked, err := l.endpoints.get(ctx, key, func(ctx context.Context) (objects.Endpoints, error) { return l.askEndpoints(ctx, key) })
	if err != nil {
		return nil, asked, err
	}
	if time.Since(asked) < answerLasts.fresh {
		l.watches.begin(key, set)
	}
	s.Slices = set.Slices
	return &s, asked, nil
}

// described returns a Service without its endpoints.
func (l *serviceLookup) described(ctx context.Context, key objects.ServiceKey) (*objects.Service, time.Time, error) {
	s, asked, err := l.services.get(ctx, key, func(ctx context.Context) (*objects.Service, error) { return l.lookUp(ctx, key) })
	if err == nil {
		l.namespaces.used(key.Namespace)
		l.seen.addService(s)
	}
	return s, asked, err
}

// exists reports whether there is a Service that the user may get. It costs one request, which a dial need not repeat. The
// name may yet turn out to be another network's, so neither the namespace nor the addresses of the Service are recorded.
func (l *serviceLookup) exists(ctx context.Context, key objects.ServiceKey) (bool, error) {
	exists, _, err := l.claims.get(ctx, key, func(ctx context.Context) (bool, error) {
		s, err := l.ask.Service(ctx, key.Namespace, key.Name)
		var forbidden *fault.Forbidden
		if errors.Is(err, api.ErrAbsent) || errors.As(err, &forbidden) {
			return false, nil
		}
		if err == nil {
			l.services.put(key, s)
		}
		return err == nil, err
	})
	return exists, err
}

// lookUp asks for a Service and, at the same time, for its EndpointSlices unless they are watched.
func (l *serviceLookup) lookUp(ctx context.Context, key objects.ServiceKey) (*objects.Service, error) {
	listing, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if _, ok := l.watches.current(key); !ok {
		wg.Go(func() {
			_, _, _ = l.endpoints.get(listing, key, func(ctx context.Context) (objects.Endpoints, error) { return l.askEndpoints(ctx, key) })
		})
	}
	s, err := l.ask.Service(ctx, key.Namespace, key.Name)
	switch {
	case errors.Is(err, api.ErrAbsent):
		return nil, &fault.NotFound{Kind: fault.Service, Name: key.Name, Namespace: key.Namespace}
	case err != nil:
		return nil, err
	}
	if s.ExternalName == "" {
		wg.Wait()
	}
	return s, nil
}

// askEndpoints asks for the EndpointSlices of a Service.
func (l *serviceLookup) askEndpoints(ctx context.Context, key objects.ServiceKey) (objects.Endpoints, error) {
	set, err := l.ask.EndpointSlices(ctx, key)
	if err != nil {
		return objects.Endpoints{}, err
	}
	l.seen.addEndpoints(set)
	return set, nil
}

// absent returns the error of asking for a Service, or a *fault.NotFound about its namespace if that does not exist: the API
// server gives the same answer for both. Not every user may ask for the namespace.
func (l *serviceLookup) absent(ctx context.Context, key objects.ServiceKey, err error) error {
	if !isAbsent(err, fault.Service) {
		return err
	}
	missing, _, _ := l.missing.get(ctx, key.Namespace, func(ctx context.Context) (bool, error) {
		err := l.ask.Namespace(ctx, key.Namespace)
		if errors.Is(err, api.ErrAbsent) {
			return true, nil
		}
		return false, err
	})
	if missing {
		return &fault.NotFound{Kind: fault.Namespace, Name: key.Namespace}
	}
	return err
}

// isNotFound reports whether err says that something is not in the cluster.
func isNotFound(err error) bool {
	var absent *fault.NotFound
	return errors.As(err, &absent)
}

// isAbsent reports whether err says that an object of a kind is not in the cluster.
func isAbsent(err error, kind fault.Kind) bool {
	var absent *fault.NotFound
	return errors.As(err, &absent) && absent.Kind == kind
}

// portNumber returns the number of a port that is written as a number or, as package net allows it, by its name: the one
// that a Service has for it or, for a Pod, that of its containers.
func (r *resolver) portNumber(ctx context.Context, n name, port string) (int, error) {
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		return int(number), nil
	}
	n, err := r.complete(ctx, n)
	for range maxAliases + 1 {
		if err == nil && n.meaning == clusterAddress {
			n, err = r.ownerName(ctx, n)
		}
		if err != nil {
			return 0, err
		}
		if n.meaning == podName {
			facts, err := r.pod(ctx, objects.PodKey{Namespace: n.namespace, Name: n.pod})
			if err != nil {
				return 0, err
			}
			return facts.PortNamed(port)
		}
		if n.meaning == workloadName {
			pods, err := r.podsOf(ctx, n)
			if err != nil {
				return 0, err
			}
			for _, p := range pods {
				if number, err := p.PortNamed(port); err == nil {
					return number, nil
				}
			}
			return 0, &fault.Unsupported{What: fmt.Sprintf("no Pod of %s/%s has a TCP port that is called %s", n.namespace, n.service, port)}
		}
		key := objects.ServiceKey{Namespace: n.namespace, Name: n.service}
		s, _, err := r.service(ctx, key)
		if err != nil {
			return 0, r.noService(ctx, key, err)
		}
		if s.ExternalName == "" {
			return s.PortNamed(port, n.meaning == memberName)
		}
		next, inside := alias(s)
		if !inside {
			return net.DefaultResolver.LookupPort(ctx, "tcp", port)
		}
		n = next
	}
	return 0, &fault.Unsupported{What: fmt.Sprintf(
		"Service %s/%s is an ExternalName that leads to others without end", n.namespace, n.service)}
}

// ownerName returns the name of the Pod or the Service that has an address.
func (r *resolver) ownerName(ctx context.Context, n name) (name, error) {
	o, _, err := r.owner(ctx, n)
	switch {
	case err != nil:
		return name{}, err
	case o.pod.Pod != "":
		return name{meaning: podName, namespace: o.pod.Namespace, pod: o.pod.Pod}, nil
	case o.service.Name == "":
		return name{}, &fault.NotFound{Kind: fault.Address, Name: n.address.String()}
	}
	return name{meaning: serviceName, namespace: o.service.Namespace, service: o.service.Name}, nil
}
