package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fairlead/kube/fault"
	"fairlead/kube/portforward"
)

// Config says which context to reach into, and how.
type Config struct {
	Kubeconfig string // path; empty for the files kubectl reads
	Context    string // the context's name; required

	// Policy is the first one; SetPolicy replaces it.
	Policy Policy

	// PerPod and PerContext bound the sessions with one Pod and in all. 0 means the carrier's defaults.
	PerPod, PerContext int

	// Carrier forces how streams reach the API server: "spdy" or "websocket". Empty tries what works.
	Carrier string

	// Health is told, on change only, that the API server cannot be reached or refused the login (*fault.Unreachable,
	// *fault.Login), and nil once it is well again. It is called from any goroutine, one call at a time, and must be
	// quick. Nil is fine.
	Health func(error)

	Log zerolog.Logger // the zero Logger is silent
}

// A Cluster is the way into one context's cluster: a dialer for its names and addresses.
type Cluster struct {
	namespace string // the context's
	policy    atomic.Pointer[Policy]
	resolver  *resolver
	api       *api
	health    *health
	carrier   carrier
	log       zerolog.Logger

	started chan struct{} // closed by Run
	stopped chan struct{} // closed when Run's context ends

	mu      sync.Mutex // guards what follows, and that no dial begins once the last is waited for
	phase   phase
	dialing sync.WaitGroup
}

type phase int

const (
	idle phase = iota
	running
	ended
)

// Open reads the kubeconfig and prepares the way into one context. It asks no server and runs no credential plugin.
func Open(c Config) (*Cluster, error) {
	config, context, err := restConfig(c.Kubeconfig, c.Context)
	if err != nil {
		return nil, err
	}
	h := newHealth(c.Health)
	a, err := newAPI(config, c.Context, h)
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", c.Context, err)
	}
	carrier, err := portforward.New(portforward.Config{
		REST: config, Context: c.Context, Carrier: c.Carrier, PerPod: c.PerPod, PerContext: c.PerContext, Log: c.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", c.Context, err)
	}
	cluster := newCluster(context.Namespace, a, h, carrier, c.Log)
	cluster.SetPolicy(c.Policy)
	return cluster, nil
}

func newCluster(namespace string, a *api, h *health, carrier carrier, log zerolog.Logger) *Cluster {
	c := &Cluster{
		namespace: namespace,
		api:       a,
		health:    h,
		carrier:   carrier,
		log:       log,
		started:   make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	c.SetPolicy(Policy{})
	c.resolver = newResolver(a, c.Namespace)
	return c
}

// Owns tells whether host, a name or an IP address, is the cluster's by its form. It asks nobody: a Service of that name
// need not be there, and of addresses it takes all of the private ranges for the cluster's. A name that reads as one of
// the Internet just as well, like web.dev, is not the cluster's by its form; Claims asks about it.
func (c *Cluster) Owns(host string) bool {
	n := parseName(host, c.Namespace())
	return n.meaning != outside && !n.doubtful
}

// Claims tells whether host is the cluster's, as Owns does, and for a name of two labels that the Internet may have too
// it asks: such a name is the cluster's when there is a Service of that name. One that does not exist, that may not be
// looked at, or that the API server says nothing about within doubtLasts, is not: with a cluster out of reach, the
// Internet's names stay the Internet's. The answer is remembered for a minute. Errors are of ctx and of a Cluster that
// does not run.
func (c *Cluster) Claims(ctx context.Context, host string) (bool, error) {
	n := parseName(host, c.Namespace())
	if !n.doubtful {
		return n.meaning != outside, nil
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return false, fmt.Errorf("look for Service %s: %w", host, err)
	}
	defer end()
	if c.health.is(unreachable) || c.health.is(loggedOut) {
		return false, nil
	}
	asked, cancel := context.WithTimeout(ctx, doubtLasts)
	defer cancel()
	exists, err := c.resolver.exists(asked, serviceKey{n.namespace, n.service})
	if err != nil && ctx.Err() == nil {
		c.log.Debug().Err(err).Str("host", host).Msg("taken for a name outside the cluster")
		return false, nil
	}
	return exists, err
}

// doubtLasts bounds the question whose a name is.
const doubtLasts = 3 * time.Second

// Run owns what a Cluster does beside its dials, and is to be called once. When ctx ends it closes every connection, ends
// every dial, waits for all that and returns nil. Dials wait for Run to begin.
func (c *Cluster) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.phase != idle {
		c.mu.Unlock()
		return errors.New("kube: Run was called before")
	}
	c.phase = running
	close(c.started)
	c.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var carrierErr error
	wg.Go(func() {
		defer cancel()
		carrierErr = c.carrier.Run(ctx)
	})
	wg.Go(func() { c.awaitRecovery(ctx) })
	<-ctx.Done()
	c.mu.Lock()
	c.phase = ended
	close(c.stopped)
	c.mu.Unlock()
	c.dialing.Wait()
	c.resolver.wait()
	wg.Wait()
	c.api.closeIdle()
	return carrierErr
}

// begin lets a dial or a check go on until the returned end is called; its context ends with ctx and with Run's.
func (c *Cluster) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	select {
	case <-c.started:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != running {
		return nil, nil, net.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	c.dialing.Go(func() {
		select {
		case <-c.stopped:
			cancel()
		case <-ctx.Done():
		}
	})
	c.dialing.Add(1)
	return ctx, func() { cancel(); c.dialing.Done() }, nil
}

// DialContext connects to address, "host:port", where host is a Service or another form that Owns knows, and network is
// "tcp". A connection may come back before its Pod has answered; it then has an Opened(context.Context) error that waits
// for that. It has CloseWrite, and lives until it is closed or Run ends; ctx bounds the dial only.
//
// Errors are those of package fault, context.Canceled and context.DeadlineExceeded when ctx ended, and net.ErrClosed
// once Run has ended.
func (c *Cluster) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n, port, err := c.target(network, address)
	if err != nil {
		return nil, err
	}
	dial, end, err := c.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	defer end()
	conn, err := c.dial(dial, n, port)
	if err != nil && dial.Err() != nil && ctx.Err() == nil {
		err = net.ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return conn, nil
}

func (c *Cluster) target(network, address string) (name, int, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return name{}, 0, fmt.Errorf("dial %s: %w", address, net.UnknownNetworkError(network))
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return name{}, 0, fmt.Errorf("dial: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return name{}, 0, fmt.Errorf("dial: %w", &net.AddrError{Err: "invalid port", Addr: address})
	}
	n := parseName(host, c.Namespace())
	if n.meaning == outside {
		return name{}, 0, fmt.Errorf("dial: %w", &fault.NotFound{Kind: fault.Address, Name: host})
	}
	return n, int(port), nil
}

// staleAfter is the age at which an answer may be to blame for a refusal. A younger one is believed: a client that hammers
// a closed port then costs the API server little.
const staleAfter = time.Second

// dial resolves and connects, and has the carrier resolve once more when what it knew was out of date: a Pod that is gone,
// or one that refuses because its program has ended. That may turn out only after the dial, when the Pod is asked for the
// connection. The second time only Pods are tried that were not.
func (c *Cluster) dial(ctx context.Context, n name, port int) (net.Conn, error) {
	first, err := c.resolver.resolve(ctx, n, port)
	if err != nil {
		return nil, err
	}
	known := time.Now()
	return c.connect(ctx, first.endpoints, func(ctx context.Context, cause error) []endpoint {
		if !outOfDate(cause, time.Since(first.asked)) {
			return nil
		}
		ctx, end, err := c.begin(ctx)
		if err != nil {
			return nil
		}
		defer end()
		c.resolver.forget(first, known)
		second, err := c.resolver.resolve(ctx, n, port)
		untried := slices.DeleteFunc(second.endpoints, func(e endpoint) bool { return slices.Contains(first.endpoints, e) })
		c.log.Debug().AnErr("cause", cause).Err(err).Int("endpoints", len(untried)).Msg("endpoints were out of date")
		return untried
	})
}

func (c *Cluster) connect(ctx context.Context, endpoints []endpoint, renew portforward.Renew) (net.Conn, error) {
	conn, err := c.carrier.Dial(ctx, endpoints, renew)
	var away *fault.Unreachable
	if !errors.As(err, &away) || away.Server == c.api.faults.server {
		c.health.observe(err) // else it was a node or a Pod that could not be reached
	}
	return conn, err
}

func outOfDate(err error, age time.Duration) bool {
	var absent *fault.NotFound
	if errors.As(err, &absent) && absent.Kind == fault.Pod {
		return true
	}
	var ended *fault.NoEndpoints
	if errors.As(err, &ended) && ended.Pod != "" {
		return true
	}
	var refused *fault.Refused
	return errors.As(err, &refused) && age > staleAfter
}

// Check asks the API server two cheap questions: is it there, and does it accept this login, for either of the verbs that
// carriers need? The answer is nil, *fault.Unreachable or *fault.Login; *fault.Forbidden when the login may not even ask
// for its rights. A name needs two questions at once, too: the connections made here wait for the first of them.
func (c *Cluster) Check(ctx context.Context) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	var group errgroup.Group
	for _, verb := range []string{"create", "get"} {
		group.Go(func() error {
			allowed, err := c.api.review(ctx, c.Namespace(), verb)
			if err == nil && !allowed {
				c.log.Info().Str("namespace", c.Namespace()).Str("verb", verb).Msg("no right on pods/portforward in the context's namespace")
			}
			return err
		})
	}
	return group.Wait()
}
