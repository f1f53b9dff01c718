package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"fairlead/kube/fault"
)

// The links of the chain that Walk goes along, in its order.
const (
	StepKubeconfig  = "kubeconfig"
	StepCredentials = "credentials"
	StepServer      = "API server"
	StepRights      = "rights"
	StepName        = "name"
	StepService     = "Service"
	StepEndpoints   = "EndpointSlice"
	StepPod         = "Pod"
	StepPort        = "port"
	StepOutside     = "outside" // in place of the steps in the cluster, for what is not in it
)

// A Step is one link of the chain from a kubeconfig to a program in a Pod, and whether it holds.
type Step struct {
	Name   string        // one of the constants above
	Detail string        // what was found, in a few words without a full stop; printable, and without secrets
	Err    error         // why the chain breaks here, as a dial would say it; nil when it holds
	Took   time.Duration // the whole step
}

// Walk goes along the chain that a connection to target depends on, tells step of each link in order, from one goroutine,
// and stops at the first that breaks. The target is "host:port", or a host alone: of a Service then the first TCP port is
// taken. With an empty target the walk ends at the rights. What is not the cluster's is dialled by direct, which is the
// caller's way for such hosts. Walk caches nothing and believes no cache of answers, and the user is taken to have asked
// for it: a credential plugin may run.
func (c *Cluster) Walk(ctx context.Context, target string, direct Dial, step func(Step)) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		step(Step{Name: StepKubeconfig, Err: err})
		return
	}
	defer end()
	w := &walk{cluster: c, namespace: c.Namespace(), direct: direct}
	if target != "" {
		if err := w.aim(target); err != nil {
			step(Step{Name: StepName, Err: err})
			return
		}
	}
	links := []link{
		{StepKubeconfig, w.kubeconfig}, {StepCredentials, w.credentials}, {StepServer, w.server}, {StepRights, w.rights},
	}
	switch {
	case target != "" && c.resolver.foreign(w.name):
		links = []link{{StepKubeconfig, w.kubeconfig}, {StepName, w.meaning}} // the cluster is not asked about it
	case target != "" && w.name.doubtful:
		links[len(links)-1] = link{StepName, w.doubtful}
	case target != "":
		links = append(links, link{StepName, w.meaning})
	}
	for len(links) > 0 {
		l := links[0]
		begin := time.Now()
		detail, err := l.check(ctx)
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		step(Step{Name: l.name, Detail: printable(detail), Err: err, Took: time.Since(begin)})
		if err != nil {
			return
		}
		links = append(links[1:], w.next...)
		w.next = nil
	}
}

// A link is one step to make.
type link struct {
	name  string
	check func(ctx context.Context) (detail string, err error)
}

// A walk is one call of Walk, and what it has found so far.
type walk struct {
	cluster *Cluster
	direct  Dial   // the way of hosts that are not the cluster's
	next    []link // what follows from the step being made

	host      string
	port      int // 0: not given
	name      name
	namespace string // whose rights count
	noService bool   // none is on the way
	aliases   int
	service   *service
	to        resolution
}

// aim reads the target.
func (w *walk) aim(target string) error {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		host, portText = strings.Trim(target, "[]"), ""
	}
	if portText != "" {
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil || port == 0 {
			return &net.AddrError{Err: "invalid port", Addr: target}
		}
		w.port = int(port)
	}
	w.host = host
	w.name = w.cluster.resolver.parse(host)
	w.noService = w.name.meaning != serviceName && w.name.meaning != memberName
	if w.name.namespace != "" {
		w.namespace = w.name.namespace
	}
	return nil
}

// meaning says what the target's host stands for, and asks whose an address is.
func (w *walk) meaning(ctx context.Context) (string, error) {
	n := w.name
	const outsideWay = "outside the cluster: it goes the way of all other hosts"
	switch {
	case n.meaning == noName:
		return "", &fault.NotFound{Kind: fault.Name, Name: w.host}
	case w.cluster.resolver.foreign(n):
		return w.thenDirect(outsideWay)
	}
	if host, err := w.cluster.Lookup(ctx, w.host); err != nil {
		return "", err
	} else if !host.InCluster && n.service != "" {
		return w.thenDirect(fmt.Sprintf("no Service %s in namespace %s can be seen, so it is %s", n.service, n.namespace, outsideWay))
	} else if !host.InCluster {
		return w.thenDirect("the address of no Service or Pod that can be seen, " + outsideWay)
	}
	return w.stands(ctx)
}

// stands says what a name of the cluster stands for.
func (w *walk) stands(ctx context.Context) (string, error) {
	n := w.name
	switch n.meaning {
	case noName:
		return "", &fault.NotFound{Kind: fault.Name, Name: bounded(w.service.externalName)}
	case podName:
		w.to.pods = []endpoint{{Namespace: n.namespace, Pod: n.pod, Port: w.port}}
		return w.thenPod(fmt.Sprintf("Pod %s in namespace %s", n.pod, n.namespace))
	case memberName:
		w.next = []link{{StepService, w.findService}}
		return fmt.Sprintf("Pod %s of Service %s in namespace %s", n.pod, n.service, n.namespace), nil
	case serviceName:
		w.next = []link{{StepService, w.findService}}
		return fmt.Sprintf("Service %s in namespace %s", n.service, n.namespace), nil
	}
	o, err := w.cluster.resolver.findOwner(ctx, n)
	switch {
	case err != nil:
		return "", err
	case o.pod.Pod != "":
		o.pod.Port = w.port
		w.to.pods = []endpoint{o.pod}
		w.namespace = o.pod.Namespace
		return w.thenPod(fmt.Sprintf("the address of Pod %s in namespace %s", o.pod.Pod, o.pod.Namespace))
	case o.service.name == "":
		return "", &fault.NotFound{Kind: fault.Address, Name: n.address.String()}
	}
	w.name = name{meaning: serviceName, namespace: o.service.namespace, service: o.service.name}
	w.next = []link{{StepService, w.findService}}
	return fmt.Sprintf("the address of Service %s in namespace %s", o.service.name, o.service.namespace), nil
}

func (w *walk) thenPod(detail string) (string, error) {
	w.next = []link{{StepPod, w.pod}}
	if w.port == 0 {
		return detail, &net.AddrError{Err: "a Pod takes any port, so one has to be named", Addr: w.host}
	}
	w.next = append(w.next, link{StepPort, w.dial})
	return detail, nil
}

// findService looks at the Service, and follows one that stands for another name.
func (w *walk) findService(ctx context.Context) (string, error) {
	n, err := w.cluster.resolver.complete(ctx, w.name)
	if err != nil {
		return "", err
	}
	w.name = n
	a, key := w.cluster.api, serviceKey{n.namespace, n.service}
	svc, err := a.service(ctx, key.namespace, key.name)
	if errors.Is(err, errAbsent) {
		r := w.cluster.resolver
		err = r.suggestWidely(ctx, key, r.absent(ctx, key, &fault.NotFound{Kind: fault.Service, Name: key.name, Namespace: key.namespace}))
	}
	if err != nil {
		return "", err
	}
	w.service = svc
	if w.service.externalName != "" {
		return w.follow(ctx)
	}
	if w.port == 0 {
		w.port = w.service.firstPort()
	}
	if w.port == 0 && w.service.headless {
		return "", &net.AddrError{Err: "a headless Service takes any port, so one has to be named", Addr: w.host}
	}
	detail := fmt.Sprintf("ClusterIP %s, TCP ports %s", svc.clusterIP, orNone(w.service.tcpPorts()))
	w.next = []link{{StepEndpoints, w.endpoints}}
	if w.name.meaning == memberName {
		return detail, nil // whose Pod takes any port
	}
	// A headless Service takes any port.
	if _, err := w.service.portName(w.port); err != nil && !w.service.headless {
		return detail, err
	}
	return detail, nil
}

// follow goes on with the name that an ExternalName Service stands for.
func (w *walk) follow(ctx context.Context) (string, error) {
	s := w.service
	detail := "an ExternalName for " + bounded(s.externalName)
	n, inside := alias(s)
	switch {
	case !inside && w.cluster.policy.Load().Outside == nil:
		return detail, &fault.Unsupported{What: fmt.Sprintf("Service %s/%s is %s, which is outside the cluster", s.namespace, s.name, detail)}
	case !inside:
		return w.thenOutside(detail)
	}
	if w.aliases++; w.aliases > maxAliases {
		return detail, &fault.Unsupported{What: fmt.Sprintf("Service %s/%s is an ExternalName that leads to others without end", s.namespace, s.name)}
	}
	w.name = n
	_, err := w.stands(ctx)
	return detail, err
}

// endpoints looks for Pods behind the port.
func (w *walk) endpoints(ctx context.Context) (string, error) {
	set, err := w.cluster.api.endpointSlices(ctx, serviceKey{w.service.namespace, w.service.name})
	if err != nil {
		return "", err
	}
	slices := set.slices
	w.service.slices = slices
	ready, other := w.service.count()
	detail := fmt.Sprintf("%d ready, %d not, in %d EndpointSlice", ready, other, len(slices))
	if len(slices) != 1 {
		detail += "s"
	}
	if err := w.name.of(w.service, w.port, &w.to); err != nil {
		return detail, err
	}
	if len(w.to.pods) > 0 {
		first := w.to.pods[0]
		w.next = []link{{StepPod, w.pod}, {StepPort, w.dial}}
		return fmt.Sprintf("%s; port %d leads to port %d of Pod %s", detail, w.port, first.Port, first.Pod), nil
	}
	if w.cluster.policy.Load().Outside == nil {
		return detail, &fault.Unsupported{What: w.to.why}
	}
	w.next = []link{{StepOutside, w.dialOutside}}
	return fmt.Sprintf("%s; %s: it goes the way of all other hosts", detail, w.to.why), nil
}

// pod looks at the first Pod, where that is allowed.
func (w *walk) pod(ctx context.Context) (string, error) {
	first := &w.to.pods[0]
	facts, err := w.cluster.api.pod(ctx, first.Namespace, first.Pod)
	switch {
	case errors.Is(err, errAbsent):
		return "", &fault.NotFound{Kind: fault.Pod, Name: first.Pod, Namespace: first.Namespace}
	case isForbidden(err):
		return "may not be looked at, which a connection does not need", nil
	case err != nil:
		return "", err
	}
	first.UID = facts.uid
	detail := fmt.Sprintf("%s/%s: %s on node %s", first.Namespace, first.Pod, facts.phase, facts.node)
	switch {
	case facts.ended() || !facts.started():
		return detail, &fault.NoEndpoints{Pod: first.Pod, Namespace: first.Namespace, NotReady: 1, Detail: facts.phase}
	case facts.hostNetwork && !w.cluster.policy.Load().HostNetwork:
		return detail, &fault.HostNetwork{Pod: first.Pod, Namespace: first.Namespace, Node: facts.node}
	case facts.ready:
		return detail + ", ready", nil
	}
	return detail + ", not ready", nil
}

func isRefusal(err error) bool {
	var refused *fault.Refused
	return errors.As(err, &refused)
}

// firstPort is the number of the first TCP port; 0 when there is none.
func (s *service) firstPort() int {
	for _, p := range s.ports {
		if p.protocol == protocolTCP {
			return p.number
		}
	}
	return 0
}

func (s *service) tcpPorts() (ports []string) {
	for _, p := range s.ports {
		if p.protocol == protocolTCP {
			ports = append(ports, strings.TrimSpace(fmt.Sprintf("%d %s", p.number, p.name)))
		}
	}
	return ports
}

func (s *service) count() (ready, other int) {
	for _, slice := range s.slices {
		for _, m := range slice.members {
			if m.ready {
				ready++
			} else {
				other++
			}
		}
	}
	return ready, other
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
