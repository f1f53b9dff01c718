package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/kubeconfig"
	"fairlead/kube/portforward"
)

// Config says which cluster to reach into, and how.
type Config struct {
	Kubeconfig string // path; empty for the files kubectl reads
	// Loaded is the kubeconfig as Load returned it or Watch reported it last, which holds while a file cannot be read. Nil
	// reads what the files say now.
	Loaded  *kubeconfig.Config
	Context string // the context's name; required, unless there is REST

	// REST is the API server and the login, for a cluster that no kubeconfig describes. Context then is a name for errors and
	// logs, and may be empty. An auth-provider needs a kubeconfig.
	REST *rest.Config
	// Namespace is the one that a context would have; "default" when it is empty. It belongs to REST.
	Namespace string

	// Policy is the first one; SetPolicy replaces it.
	Policy Policy

	// PerPod and PerContext bound the sessions with one Pod and in all. 0 means the carrier's defaults.
	PerPod, PerContext int

	// Protocol forces how the streams of a port-forward reach the API server: "spdy" or "websocket". Empty tries what works.
	Protocol string
	// Carrier takes connections to Pods in place of port-forwards, if it is not nil. It serves one Cluster, which runs it.
	Carrier carrier.Carrier

	// Proxy is the forward proxy on the way to the API server, a URL with the scheme http, https, socks5 or socks5h. It
	// replaces the kubeconfig's proxy-url and the environment's proxy, and is handed to credential plugins that ask for
	// the cluster. Nil leaves the way to those two.
	Proxy *url.URL
	// NoProxy connects to the API server directly, whatever the kubeconfig, the environment and Proxy say.
	NoProxy bool

	// Own tells whether a proxy of this program listens at an address. The environment's proxy is not taken for the way to
	// the API server when it is one of those. Nil means that none does.
	Own func(netip.AddrPort) bool

	// Health is told, on change only, what keeps connections from being made: the API server cannot be reached, refused the
	// login, or port-forwards are blocked on the way to it (*fault.Unreachable, *fault.Login, *fault.Blocked). It is told
	// nil once connections can be made again. It is called from any goroutine, one call at a time, and must be
	// quick. Nil is fine.
	Health func(error)

	// TellFirst has Health told nil at the first success, too, though nothing was wrong before.
	TellFirst bool

	// Approved reports whether the user has let a credential plugin run, by the hash that Plugin returns. It is asked before each
	// run, from any goroutine. Nil lets all run.
	Approved func(hash string) bool

	Log zerolog.Logger // the zero Logger is silent
}

// A Cluster is the way into one context's cluster: a dialer for its names and addresses.
type Cluster struct {
	described  kubeconfig.Context
	policy     atomic.Pointer[Policy]
	resolver   *resolver
	api        *api.Client
	health     *api.Health
	carrier    carrier.Carrier
	decisions  decisions
	vouchedFor time.Duration // the constant; shorter in tests
	log        zerolog.Logger

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

// access returns what client-go needs to talk to the API server, and the context.
func (c Config) access() (*rest.Config, kubeconfig.Context, error) {
	if c.REST != nil {
		config := rest.CopyConfig(c.REST)
		config.WarningHandler = rest.NoWarnings{}
		return config, kubeconfig.Context{Name: c.Context, Namespace: cmp.Or(c.Namespace, "default")}, nil
	}
	loaded := c.Loaded
	if loaded == nil {
		read := kubeconfig.Load(c.Kubeconfig)
		loaded = &read
	}
	return loaded.RESTConfig(c.Context)
}

// Open prepares the way into a cluster, and reads the kubeconfig unless the Config has what is in it. It asks no server and runs
// no credential plugin.
func Open(c Config) (*Cluster, error) {
	config, described, err := c.access()
	if err != nil {
		return nil, err
	}
	h := api.NewHealth(c.Health)
	h.TellFirst = c.TellFirst
	a, err := api.New(api.Config{
		REST: config, Context: c.Context, Proxy: c.Proxy, NoProxy: c.NoProxy, Own: c.Own, Approved: c.Approved, Log: c.Log,
	}, h)
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", c.Context, err)
	}
	var cluster *Cluster
	to := c.Carrier
	if to == nil {
		to, err = portforward.New(portforward.Config{
			REST: config, ProxySource: a.ProxySource, Certificate: a.Login.Certificate(), Context: c.Context, Carrier: c.Protocol,
			PerPod: c.PerPod, PerContext: c.PerContext, Log: c.Log,
			Doubt: a.Doubt, Roots: a.Authority.Roots.Load,
			Admit: func(ctx context.Context, namespace, pod string) error { return cluster.admit(ctx, namespace, pod) },
			Standing: func(ctx context.Context, namespace, pod, uid string) carrier.Standing {
				return cluster.resolver.standing(ctx, namespace, pod, uid)
			},
		})
	}
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", c.Context, err)
	}
	cluster = newCluster(described.Namespace, a, to, c.Log)
	cluster.SetPolicy(c.Policy)
	cluster.described = described
	return cluster, nil
}

func newCluster(namespace string, a *api.Client, to carrier.Carrier, log zerolog.Logger) *Cluster {
	c := &Cluster{
		api:        a,
		health:     a.Health,
		carrier:    to,
		vouchedFor: vouchedFor,
		log:        log,
		started:    make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	c.policy.Store(&Policy{})
	c.resolver = newResolver(a, namespace, c.policy.Load)
	c.resolver.watches = newEndpointWatches(c.resolver, to, log)
	return c
}

// Run owns what a Cluster does beside its dials, and is to be called once. When ctx ends it closes every connection, ends
// every dial, waits for all that and returns nil. Dials wait for Run to begin.
func (c *Cluster) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.phase != idle {
		c.mu.Unlock()
		return errors.New("kube: Run was called before")
	}
	c.phase = running
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waitForWatches := c.resolver.watches.open(ctx)
	endLogin := c.api.Login.Begin(func() {
		c.api.CloseIdle() // connections with the former client certificate
		c.health.NoteLogin()
	})
	close(c.started)
	c.mu.Unlock()

	var wg sync.WaitGroup
	var carrierErr error
	wg.Go(func() {
		defer cancel()
		carrierErr = c.carrier.Run(ctx)
	})
	wg.Go(func() { c.api.Run(ctx) })
	<-ctx.Done()
	c.mu.Lock()
	c.phase = ended
	close(c.stopped)
	c.mu.Unlock()
	c.dialing.Wait()
	c.resolver.stop()
	waitForWatches()
	wg.Wait()
	endLogin()
	c.api.CloseIdle()
	c.api.Streams.Close()
	return carrierErr
}

// begin lets a dial or a check go on until the returned end is called; its context ends with ctx and with Run's.
func (c *Cluster) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	select {
	case <-c.started:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
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

// LogIn logs in anew, which runs a credential plugin even if its credentials are still good, and then does as Check does.
// It is for when the user asked for it.
func (c *Cluster) LogIn(ctx context.Context) error {
	c.api.Login.Forget()
	return c.Check(ctx)
}

// Plugin returns a hash of the command, the arguments and the environment of the context's credential plugin; empty without one.
func (c *Cluster) Plugin() string {
	if p := c.api.Login.Plugin; p != nil {
		return p.Hash()
	}
	return ""
}

// LoggedIn reports whether the API server can be asked without running a credential plugin or asking an identity provider.
func (c *Cluster) LoggedIn() bool { return c.api.Login.LoggedIn() }

// Look tells Health whether the API server can be reached now, for when something else tells that what was known may no
// longer hold: the machine woke up, or its network is another. It sends no credentials and runs no plugin. Connections
// that are kept for the next question are let go of, for they may lead nowhere.
func (c *Cluster) Look(ctx context.Context) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	c.resolver.watches.restart()
	return c.api.Look(ctx)
}

// Check asks the API server two cheap questions: is it there, and does it accept this login, for either of the verbs that
// carriers need? The answer is nil, *fault.Unreachable or *fault.Login; *fault.Forbidden when the login may not even ask
// for its rights. A name and an address need two questions at once, too: the connections made here wait for the first of
// them.
//
// It is for when the user asked for it: a credential plugin that failed lately is run again at once.
func (c *Cluster) Check(ctx context.Context) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	c.api.Login.Retry()
	var group errgroup.Group
	for _, verb := range []string{"create", "get"} {
		group.Go(func() error {
			allowed, err := c.api.MayForward(ctx, c.Namespace(), verb)
			if err == nil && !allowed {
				c.log.Info().Str("namespace", c.Namespace()).Str("verb", verb).Msg("no right on pods/portforward in the context's namespace")
			}
			return err
		})
	}
	return group.Wait()
}
