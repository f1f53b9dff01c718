package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// A Dial connects to address, "host:port", as net.Dialer's DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Outside is how Walk reaches hosts outside the cluster.
type Outside struct {
	Dial Dial
	// Carried reports whether Dial connects to an address by the cluster's Carrier. Nil means that it does not.
	Carried func(address string) bool
	// Lookup looks up the host of such an address, a name, as Dial does, and returns what it found in a few words.
	Lookup func(ctx context.Context, address string) (found string, err error)
}

// Walk checks what a connection to target depends on, then dials target, and reports the steps in order, from one
// goroutine, up to the first that fails. The target is "host:port", where the port may also be a name, or only a host: then a
// Service's first TCP port is dialled. With an empty target Walk ends after the rights and the carrier. Walk may run a
// credential plugin, so it is only for when the user asked for it.
func (c *Cluster) Walk(ctx context.Context, target string, outside Outside, report func(Step)) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		report(Step{Name: StepKubeconfig, Err: err})
		return
	}
	defer end()
	w := &walk{cluster: c, outside: outside, trace: &trace{report: report}}
	if err = w.run(ctx, target); err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	w.trace.end(err)
}

// A walk is one call of Walk.
type walk struct {
	cluster  *Cluster
	outside  Outside
	trace    *trace
	host     *Host
	port     int    // 0: not given; that of a port by name is at first the one that the name has outside the cluster
	portName string // if the port was given by its name
	unknown  error  // why that name has no number outside the cluster
	probed   bool   // probe has made its step
}

// run makes the steps. Its error belongs to the last one entered.
func (w *walk) run(ctx context.Context, target string) error {
	if target == "" {
		return w.check(ctx, w.kubeconfig, w.credentials, w.server, w.rights, w.probe)
	}
	if err := w.parse(ctx, target); err != nil {
		w.trace.enter(StepName)
		return err
	}
	foreign, carried := w.cluster.resolver.foreign(w.host.name), w.carried()
	steps := []func(context.Context) (string, error){w.kubeconfig}
	if !foreign || carried { // otherwise the API server does not matter
		steps = append(steps, w.credentials, w.server)
	}
	// If another network may have the name, rights matter only once it turns out to be the cluster's.
	certain := !foreign && !w.host.name.doubtful
	if certain {
		steps = append(steps, w.rights)
	}
	if certain || carried {
		steps = append(steps, w.probe)
	}
	if err := w.check(ctx, steps...); err != nil {
		return err
	}
	return w.reach(ctx)
}

// carried reports whether the carrier connects to the target if it is outside.
func (w *walk) carried() bool {
	return w.port != 0 && w.outside.Carried != nil && w.outside.Carried(w.address())
}

// address returns the target as a host outside.
func (w *walk) address() string { return net.JoinHostPort(w.host.written, strconv.Itoa(w.port)) }

// check makes steps, and notes what each returns.
func (w *walk) check(ctx context.Context, steps ...func(context.Context) (string, error)) error {
	for _, step := range steps {
		detail, err := step(ctx)
		if detail != "" {
			w.trace.notef("%s", detail)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parse sets the host and the port from the target.
func (w *walk) parse(ctx context.Context, target string) error {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host, port = strings.Trim(target, "[]"), ""
	}
	w.host = w.cluster.host(host)
	if port == "" {
		return nil
	}
	if !objects.IsPort(port) {
		return &net.AddrError{Err: "invalid port", Addr: target}
	}
	if w.port, err = strconv.Atoi(port); err == nil {
		return nil
	}
	w.portName = port
	w.port, w.unknown = net.DefaultResolver.LookupPort(ctx, "tcp", port)
	return nil
}

// reach looks up the host and dials it.
func (w *walk) reach(ctx context.Context) (err error) {
	doubtful := w.host.name.doubtful
	w.trace.enter(StepName)
	if w.host, err = w.cluster.Lookup(ctx, w.host.written); err != nil {
		return err
	}
	w.trace.notef("%s", w.meaning())
	if !w.host.InCluster {
		return w.leave(ctx)
	}
	if err := w.host.check(); err != nil {
		return err
	}
	if doubtful {
		if err := w.check(ctx, w.rights, w.probe); err != nil {
			return err
		}
	}
	dial := traced(ctx, w.trace)
	if w.portName != "" {
		if w.port, err = w.portNumber(dial); err != nil {
			return err
		}
	}
	return w.connected(ctx, func() (net.Conn, error) { return w.host.connect(dial, "tcp", w.port, maxAliases) })
}

// portNumber returns the number of the port that the target names. It enters the step of what has that name.
func (w *walk) portNumber(ctx context.Context) (int, error) {
	switch w.host.name.meaning {
	case serviceName, memberName:
		w.trace.enter(StepService)
	case podName:
		w.trace.enter(StepPod)
	}
	return w.cluster.resolver.portNumber(ctx, w.host.name, w.portName)
}

// meaning returns what the target's host stands for, in words; "" for the cluster's addresses, of which the dial notes it.
func (w *walk) meaning() string {
	n := w.host.name
	switch {
	case w.cluster.resolver.foreign(n):
		return noteOutside
	case !w.host.InCluster && n.service != "":
		return fmt.Sprintf("no Service %s in namespace %s can be seen, so it is %s", n.service, n.namespace, noteOutside)
	case !w.host.InCluster:
		return "the address of no Service or Pod that can be seen, " + noteOutside
	case n.meaning == podName:
		return fmt.Sprintf("Pod %s in namespace %s", n.pod, n.namespace)
	case n.meaning == workloadName:
		return fmt.Sprintf("%s %s in namespace %s", objects.Workloads[n.kind], n.service, n.namespace)
	case n.meaning == memberName:
		return fmt.Sprintf("Pod %s of Service %s in namespace %s", n.pod, n.service, n.namespace)
	case n.meaning == serviceName:
		return fmt.Sprintf("Service %s in namespace %s", n.service, n.namespace)
	}
	return ""
}

// leave dials a host outside the cluster.
func (w *walk) leave(ctx context.Context) error {
	if w.unknown != nil {
		return w.unknown
	}
	if w.port == 0 {
		w.trace.notef(noteUntried)
		return nil
	}
	address := w.address()
	if _, err := netip.ParseAddr(w.host.written); err != nil && w.carried() {
		w.trace.enter(StepDNS)
		found, err := w.outside.Lookup(ctx, address)
		w.trace.notef("%s", found)
		if err != nil {
			return err
		}
	}
	w.trace.enter(StepOutside)
	w.trace.notef("%s", address)
	return w.connected(ctx, func() (net.Conn, error) { return w.outside.Dial(ctx, "tcp", address) })
}

// connected dials, waits until the connection's target has answered, and closes it.
func (w *walk) connected(ctx context.Context, dial func() (net.Conn, error)) error {
	conn, err := dial()
	if errors.Is(err, errNoPort) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if unconfirmed, ok := conn.(interface{ Opened(context.Context) error }); ok {
		if err := unconfirmed.Opened(ctx); err != nil {
			return err
		}
	}
	w.trace.open()
	return nil
}

// Notes about hosts outside, and about those without a port.
const (
	noteOutside = "outside the cluster: it goes the way of all other hosts"
	noteUntried = "it is tried when a port is named"
)

// errNoPort ends a dial to port 0 of a Service that leads out of the cluster.
var errNoPort = errors.New("no port was named")

func isRefusal(err error) bool { return errors.As(err, new(*fault.Refused)) }
