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

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/kubeconfig"
	"fairlead/kube/portforward"
)

// Config configures a Cluster.
type Config struct {
	Kubeconfig string // path; empty for the files kubectl reads
	// Loaded is the kubeconfig as Load returned it or Watch last reported it. If it is nil, Open reads the files.
	Loaded  *kubeconfig.Config
	Context string // the context's name; required without REST

	// REST has the API server and the login of a cluster that no kubeconfig describes. Context is then a name for errors
	// and logs, and may be empty. An auth-provider needs a kubeconfig.
	REST *rest.Config
	// Namespace is the namespace that goes with REST. Empty means "default".
	Namespace string

	// Policy is the initial policy. SetPolicy replaces it.
	Policy Policy

	// PerPod and PerContext limit the sessions with one Pod and in all. 0 means the carrier's defaults.
	PerPod, PerContext int

	// Protocol is the protocol of port-forwards: "spdy", "websocket", or empty for the first one that works.
	Protocol string
	// Carrier carries connections to Pods instead of port-forwards, unless it is nil. It serves one Cluster, which runs it.
	Carrier carrier.Carrier

	// Proxy is the forward proxy on the way to the API server, a URL with the scheme http, https, socks5 or socks5h. It
	// replaces the kubeconfig's proxy-url and the environment's proxy, and credential plugins that ask for the cluster get
	// it. Nil leaves the choice to those two.
	Proxy *url.URL
	// NoProxy connects to the API server directly, whatever the kubeconfig, the environment and Proxy say.
	NoProxy bool

	// Own reports whether a proxy of this program listens at an address. If the environment's proxy does, it is not used to
	// reach the API server. Own may be nil.
	Own func(netip.AddrPort) bool

	// Health is called when the reason changes that no connections can be made: the API server cannot be reached or refused
	// the login, or port-forwards to it are blocked (*fault.Unreachable, *fault.Login, *fault.Blocked). Nil means that they
	// can be made again. It is called from any goroutine, one call at a time, and must not block. It may be nil.
	Health func(error)

	// ReportFirst makes the Cluster call Health with nil at the first success too, although nothing was wrong before.
	ReportFirst bool

	// Approved reports whether the user has approved a credential plugin, by the hash that Plugin returns. It is called
	// before each run, from any goroutine. If it is nil, all are approved.
	Approved func(hash string) bool

	Log zerolog.Logger // the zero Logger is silent
}

// A Cluster is a dialer for the names and addresses of one context's cluster.
type Cluster struct {
	described  kubeconfig.Context // the context, as the kubeconfig has it
	policy     atomic.Pointer[Policy]
	resolver   *resolver
	api        *api.Client
	carrier    carrier.Carrier
	ownCarrier bool // Config.Carrier carries the connections, so a dial says nothing about the API server
	decisions  decisions
	dialer     loginDialer
	log        zerolog.Logger

	started chan struct{} // closed by Run
	stopped chan struct{} // closed when Run's context ends

	mu      sync.Mutex // guards phase; a dial is added to dialing with it held, so none is added once Run waits
	phase   phase
	dialing sync.WaitGroup
}

type phase int

const (
	idle phase = iota
	running
	ended
)

// access returns client-go's configuration for the API server, and the context.
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

// Open returns a Cluster. It reads the kubeconfig unless the Config has its content. It connects to no server and runs no
// credential plugin.
func Open(c Config) (*Cluster, error) {
	config, described, err := c.access()
	if err != nil {
		return nil, err
	}
	h := api.NewHealth(c.Health)
	h.ReportFirst = c.ReportFirst
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
			REST: config, ProxySource: a.ProxySource, Certificate: a.Login.Certificate(), Context: c.Context, Protocol: c.Protocol,
			PerPod: c.PerPod, PerContext: c.PerContext, Log: c.Log,
			Doubt: a.Doubt, Roots: a.Authority.Roots.Load,
			Admit: func(ctx context.Context, namespace, pod string) error {
				return cluster.resolver.admit(ctx, namespace, pod)
			},
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
	cluster.ownCarrier = c.Carrier != nil
	return cluster, nil
}

func newCluster(namespace string, a *api.Client, to carrier.Carrier, log zerolog.Logger) *Cluster {
	c := &Cluster{
		api:     a,
		carrier: to,
		log:     log,
		started: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	c.policy.Store(&Policy{})
	c.resolver = newResolver(a, namespace, c.policy.Load)
	c.dialer = loginDialer{carrier: to, api: a, namespace: c.Namespace, trustLoginFor: trustLoginFor}
	c.resolver.watches = newEndpointWatches(c.resolver, to, log)
	return c
}

// Run runs the Cluster until ctx ends: its carrier, watches and background tasks. Then it ends all dials, closes all
// connections, waits for them and returns nil. It is called once. Dials wait for it to begin.
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
		c.api.CloseIdle() // these connections have the old client certificate
		c.api.Health.NoteLogin()
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

// begin registers a dial or a check, which calls end when it is done. The returned context ends with ctx and with Run's.
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

// LogIn logs in again, and then does what Check does. It runs a credential plugin even if its credentials are still
// valid, so it is only for requests by the user.
func (c *Cluster) LogIn(ctx context.Context) error {
	c.api.Login.Forget()
	return c.Check(ctx)
}

// Plugin returns a hash of the command, arguments and environment of the context's credential plugin; "" if there is none.
func (c *Cluster) Plugin() string {
	if p := c.api.Login.Plugin; p != nil {
		return p.Hash()
	}
	return ""
}

// LoggedIn reports whether a request to the API server would find credentials without running a plugin or contacting an
// identity provider.
func (c *Cluster) LoggedIn() bool { return c.api.Login.LoggedIn() }

// Look finds out whether the API server can be reached now, and reports that to Health. It is for when the machine woke up
// or its network changed. It sends no credentials and runs no plugin. It restarts the watches and closes idle connections,
// since their connections may be dead.
func (c *Cluster) Look(ctx context.Context) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	c.resolver.watches.restart()
	return c.api.Look(ctx)
}

// API returns the client of the API server, for what is not part of reaching targets. It works while Run does.
func (c *Cluster) API() *api.Client { return c.api }

// Connections returns how many connections into the cluster are open.
func (c *Cluster) Connections() int { return c.carrier.Connections() }

// Check finds out whether the API server can be reached and accepts the login, by asking for the two rights that dials
// need first. Lacking them is logged, and is no error. Errors are those of package fault: *fault.Unreachable,
// *fault.Login, and *fault.Forbidden if the user may not even ask for their rights. The two requests are sent at the
// same time, and their connections are kept, because the first dial needs two as well.
//
// Check is only for requests by the user, because it immediately runs a credential plugin again that has just failed.
func (c *Cluster) Check(ctx context.Context) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	c.api.Login.Retry()
	needed := []api.Right{createForward, getForward}
	if c.ownCarrier {
		needed = []api.Right{getServices, listSlices}
	}
	has, err := c.api.MayEach(ctx, c.Namespace(), needed...)
	for _, right := range needed {
		if err == nil && !has[right] {
			c.log.Info().Str("namespace", c.Namespace()).Stringer("right", right).Msg("missing a right that connections need")
		}
	}
	return err
}
