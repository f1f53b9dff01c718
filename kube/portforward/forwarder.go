package portforward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

// An Endpoint is a port of a Pod. Its Address and Node have no effect here: the API server finds the Pod by its name.
type Endpoint = carrier.Endpoint

// podOf returns the ID of an endpoint's Pod.
func podOf(e Endpoint) podID { return podID{e.Namespace, e.Pod, e.UID} }

func checkEndpoint(e Endpoint) error {
	if e.Namespace == "" || e.Pod == "" || e.Port < 1 || e.Port > 65535 {
		return fmt.Errorf("port %d of Pod %q in namespace %q: %w", e.Port, e.Pod, e.Namespace, net.InvalidAddrError("no endpoint"))
	}
	return nil
}

// Config configures a Forwarder. Only REST is required.
type Config struct {
	// REST has the route to the API server and the credentials, as client-go reads them from a kubeconfig. Its rate
	// limits have no effect here.
	REST *rest.Config
	// ProxySource is where the proxy of REST is set, for errors.
	ProxySource fault.ProxySource
	// Certificate returns the current client certificate; an error, or a certificate without content, if there is none.
	// It is called for spare connections too, and must not run a credential plugin. If it is nil, REST decides.
	Certificate func() (*tls.Certificate, error)
	// Roots returns the certificate authorities that are trusted for the API server now. If it is nil, or returns nil,
	// REST decides.
	Roots func() *x509.CertPool
	// Context is the name of the kubeconfig context, for errors.
	Context string
	// Protocol is ProtocolSPDY, ProtocolWebSocket, or empty for the first one that works, beginning with SPDY.
	Protocol string
	// PerPod and PerContext limit the sessions with one Pod and in all. A session costs the cluster up to 0.9 MB. Above
	// the limits connections share sessions. 0 means 32 and 128.
	PerPod, PerContext int
	// Dial limits how long a new session may take. 0 means 12 s. Of that, 7 s are for a connection to the API server;
	// where round trips are long, eight of them.
	Dial time.Duration
	// Doubt is called when the API server may not answer any more: a session or a new connection to it is silent, or no
	// connection can be made. It is called from any goroutine and must not block. It may be nil.
	Doubt func()
	// Standing finds out what became of a Pod that is out of use. It returns Unlisted if it cannot find out; nil is the
	// same as that. It is called only for Pods that have not answered a connection, for a few at a time.
	Standing func(ctx context.Context, namespace, pod, uid string) carrier.Standing
	// Admit decides whether a session may be made with a Pod, by its current state in the API server: a session is
	// addressed by the Pod's name, and another Pod may have got that name since it was resolved. It is called while a
	// session is made, once for the sessions of two seconds; its error ends their dials. It must not run a credential
	// plugin. Nil admits every Pod.
	Admit func(ctx context.Context, namespace, pod string) error
	// Idle is how long an unused session is kept. 0 means 75 s.
	Idle time.Duration
	// Grace is how long a connection to an unproven target may still be refused after its acceptance, before it is
	// reported to the client as open. It grows by itself where runtimes are slower. 0 means 55 ms: the time that a busy
	// node takes to refuse, and the jitter that a line adds. It is waited for once for each port of a Service.
	Grace time.Duration
	// Quiet is how long the client's half-close is held back while the Pod sends nothing. 0 means 5 s.
	Quiet time.Duration
	// Memory limits what may wait in buffers for slow readers on shared sessions, in bytes. 0 means 64 MiB.
	Memory int64
	Log    zerolog.Logger
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&c.Dial, 12*time.Second)
	set(&c.Idle, 75*time.Second)
	set(&c.Grace, 55*time.Millisecond)
	set(&c.Quiet, 5*time.Second)
	if c.Doubt == nil {
		c.Doubt = func() {}
	}
	if c.Admit == nil {
		c.Admit = func(context.Context, string, string) error { return nil }
	}
	if c.Standing == nil {
		c.Standing = func(context.Context, string, string, string) carrier.Standing { return carrier.Unlisted }
	}
	if c.PerPod <= 0 {
		c.PerPod = 32
	}
	if c.PerContext <= 0 {
		c.PerContext = 128
	}
	if c.Memory <= 0 {
		c.Memory = 64 << 20
	}
	return c
}

// A Forwarder dials ports of Pods of one cluster. Its methods may be called from several goroutines.
type Forwarder struct {
	pool     *pool
	rollouts rollouts
	ready    chan struct{} // closed when Run has begun
}

// New returns a Forwarder. It opens no connection.
func New(cfg Config) (*Forwarder, error) {
	cfg = cfg.withDefaults()
	switch {
	case cfg.REST == nil:
		return nil, errors.New("port-forward without a REST configuration")
	case cfg.Protocol != "" && cfg.Protocol != ProtocolSPDY && cfg.Protocol != ProtocolWebSocket:
		return nil, fmt.Errorf("no protocol is called %q (%s, %s)", cfg.Protocol, ProtocolSPDY, ProtocolWebSocket)
	}
	up, err := newUpgrader(cfg)
	if err != nil {
		return nil, fmt.Errorf("port-forward through %s: %w", cfg.REST.Host, err)
	}
	return &Forwarder{pool: newPool(cfg, up), ready: make(chan struct{})}, nil
}

// Run keeps the sessions: it dials ahead of demand, checks idle sessions, and closes them. When ctx ends, it closes
// every session and so every connection, waits for its goroutines, and returns nil. It can run once.
func (f *Forwarder) Run(ctx context.Context) error {
	if !f.pool.begin(ctx) {
		return errors.New("a Forwarder runs once")
	}
	close(f.ready)
	f.pool.run(ctx)
	return nil
}

// Dial connects to the first of the endpoints that can be reached. The other endpoints are tried in order, also after
// Dial has returned, as long as no program in a Pod can have seen a byte of the connection; after them, those that
// renew returns, if it is not nil. Dial waits for a session with the Pod, not for the program's answer. For that the
// connection has the method
//
//	Opened(ctx context.Context) error
//
// which reports whether the target may be taken for connected. CloseWrite holds the end back while the Pod still sends,
// see Config.Quiet. Errors are those of package fault. ctx limits the dial, not the connection. Dial works while Run
// runs, and waits for it to begin.
func (f *Forwarder) Dial(ctx context.Context, endpoints []Endpoint, renew carrier.Renew) (net.Conn, error) {
	if len(endpoints) == 0 {
		return nil, errors.New("port-forward to no endpoint")
	}
	for _, ep := range endpoints {
		if err := checkEndpoint(ep); err != nil {
			return nil, err
		}
	}
	select {
	case <-f.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c := newConn(f.pool, f.inOrder(endpoints), renew)
	if err := c.advance(ctx, nil); err != nil {
		return nil, err
	}
	return c, nil
}

// failedLately is how long a Pod is tried after the others once no session could be made with it.
const failedLately = 30 * time.Second

// inOrder returns endpoints in the order in which they are tried. Pods that are replacing others now come first. Pods
// that are out of use, that cut a connection a moment ago, or whose node carried none come last: to find that out once
// more may take as long as a dial may.
func (f *Forwarder) inOrder(endpoints []Endpoint) []Endpoint {
	now := time.Now()
	f.rollouts.markNamed(endpoints, now)
	var young, good, bad []Endpoint
	for _, ep := range endpoints {
		switch {
		case f.pool.avoids(ep, now) || f.pool.targets.hasCut(ep, now):
			bad = append(bad, ep)
		case f.rollouts.isYounger(ep, now):
			young = append(young, ep)
		default:
			good = append(good, ep)
		}
	}
	return slices.Concat(young, good, bad)
}

// Connections returns how many connections are open.
func (f *Forwarder) Connections() (n int) {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	for _, p := range f.pool.pods {
		for _, s := range p.sessions {
			n += s.users
		}
	}
	return n
}
