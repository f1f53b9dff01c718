// Package konnectivity is the carrier for hosted control planes: a Konnectivity server has the cluster's agents make the
// connections, so neither Pods nor nodes need to be reachable from here, and no port-forward is needed. A Service is
// reached at its ClusterIP, a Pod at its own address. The server is asked by HTTP CONNECT or by gRPC, over TCP with
// mutual TLS or over a Unix socket.
package konnectivity

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

// A Mode is the protocol of a Konnectivity server for its clients.
type Mode string

// The modes, by the names that the server's --mode has.
const (
	HTTPConnect Mode = "http-connect"
	GRPC        Mode = "grpc"
)

// Config configures a Carrier. Only Server is required.
type Config struct {
	// Server is https://host:port, http://host:port, or unix:///path.
	Server *url.URL
	// TLS returns the roots and the client certificate for a server with https. It is called for each connection, so that
	// renewed files apply. Nil means the system's roots and no certificate.
	TLS  func() (*tls.Config, error)
	Mode Mode // empty means HTTPConnect
	// Quiet is how long the end of the client's direction is held back while the target sends nothing: a Konnectivity server
	// ends both directions at once. 0 means 5 s.
	Quiet time.Duration
	Log   zerolog.Logger
}

// An opener asks a Konnectivity server for a connection to an address, host:port. Its errors are those of package fault.
type opener interface {
	open(ctx context.Context, address string) (net.Conn, error)
}

// A Carrier is a carrier.Carrier whose connections a cluster's agents make.
type Carrier struct {
	opener opener
	server string // for errors
	mode   Mode
	quiet  time.Duration
	log    zerolog.Logger
	ready  chan struct{} // closed when Run has begun

	mu        sync.Mutex
	conns     map[*conn]struct{} // nil once Run has ended
	dialling  sync.WaitGroup
	tasks     sync.WaitGroup               // of connections: pumps and ends; added to only before Run has closed theirs
	ahead     budget                       // of what waits for readers
	ctx       context.Context              // Run's, nil before it
	unserved  map[netip.AddrPort]time.Time // ClusterIPs that led nowhere, and until when they are not tried
	withdrawn map[podID]bool
}

type podID struct{ namespace, pod, uid string }

// New returns a Carrier. It opens no connection.
func New(c Config) (*Carrier, error) {
	server, err := check(c)
	if err != nil {
		return nil, err
	}
	if c.Quiet <= 0 {
		c.Quiet = 5 * time.Second
	}
	t := &Carrier{
		server: server, mode: cmp.Or(c.Mode, HTTPConnect), quiet: c.Quiet, log: c.Log, ready: make(chan struct{}),
		conns: map[*conn]struct{}{}, withdrawn: map[podID]bool{}, unserved: map[netip.AddrPort]time.Time{},
	}
	asked := httpConnect{config: c, server: server}
	t.opener = &asked
	if c.Mode == GRPC {
		t.opener = &grpcOpener{http: asked}
	}
	return t, nil
}

// check checks a Config, and returns the name of the server for errors.
func check(c Config) (server string, err error) {
	switch {
	case c.Server == nil:
		return "", errors.New("no server for Konnectivity")
	case c.Mode != "" && c.Mode != HTTPConnect && c.Mode != GRPC:
		return "", fmt.Errorf("no mode of Konnectivity is called %q", c.Mode)
	}
	switch c.Server.Scheme {
	case "https", "http":
		if c.Server.Hostname() == "" {
			return "", errors.New("the Konnectivity server's URL has no host")
		}
		return address(c.Server), nil
	case "unix":
		if c.Server.Path == "" {
			return "", errors.New("the Konnectivity server's URL has no path")
		}
		return c.Server.Path, nil
	}
	return "", fmt.Errorf("the Konnectivity server's URL has the scheme %.20q, not https, http or unix", c.Server.Scheme)
}

// defaultPort is the port that a Konnectivity server has for its clients.
const defaultPort = "8090"

// address returns the host:port of a server.
func address(server *url.URL) string {
	port := server.Port()
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(server.Hostname(), port)
}

// Run owns the connections. When ctx ends, it closes them, waits for the dials and returns nil. It can run once.
func (t *Carrier) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.mu.Lock()
	if t.ctx != nil {
		t.mu.Unlock()
		return errors.New("a Carrier runs once")
	}
	t.ctx = ctx
	t.mu.Unlock()
	close(t.ready)
	<-ctx.Done()
	t.mu.Lock()
	open := t.conns
	t.conns = nil
	t.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
	t.dialling.Wait()
	t.tasks.Wait()
	if g, ok := t.opener.(*grpcOpener); ok {
		g.wait()
	}
	return nil
}

// Connections returns how many connections are open.
func (t *Carrier) Connections() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// Withdraw makes Dial try a Pod after all others.
func (t *Carrier) Withdraw(namespace, pod, uid string, standing carrier.Standing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if standing == carrier.Gone {
		delete(t.withdrawn, podID{namespace, pod, uid}) // nothing leads to it any more
		return
	}
	t.withdrawn[podID{namespace, pod, uid}] = true
}

// Restore puts a Pod back into use.
func (t *Carrier) Restore(namespace, pod, uid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.withdrawn, podID{namespace, pod, uid})
}

// DialAddress connects to address, host:port, whatever has it. A host that is a name is looked up where the agent runs.
func (t *Carrier) DialAddress(ctx context.Context, address string) (net.Conn, error) {
	bounded, end, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return t.open(bounded, address)
}

// begin registers a dial, which calls end when it is done. The returned context ends with ctx and with Run's.
func (t *Carrier) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	select {
	case <-t.ready:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil || t.ctx.Err() != nil {
		return nil, nil, net.ErrClosed
	}
	t.dialling.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.ctx, cancel)
	return ctx, func() { stop(); cancel(); t.dialling.Done() }, nil
}

// open asks the server for a connection, and registers it.
func (t *Carrier) open(ctx context.Context, address string) (net.Conn, error) {
	below, err := t.opener.open(ctx, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: below, carrier: t, ahead: newReadAhead(&t.ahead)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil {
		_ = below.Close()
		return nil, net.ErrClosed
	}
	t.conns[c] = struct{}{}
	t.tasks.Go(c.pump)
	return c, nil
}

// forget removes a connection that was closed.
func (t *Carrier) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// Check asks for a connection, and closes it at once. It reports whether the server can be reached and accepts the
// client's certificate, not whether it has an agent.
func (t *Carrier) Check(ctx context.Context) error {
	_, err := t.Probe(ctx)
	if failed, ok := errors.AsType[*fault.Konnectivity](err); ok && failed.Problem == fault.KonnectivityNoAgent {
		return nil
	}
	return err
}

// Probe does what Check does, and also finds out whether the server has an agent. It implements carrier.Prober.
func (t *Carrier) Probe(ctx context.Context) (found string, err error) {
	found = fmt.Sprintf("%s, mode %s", t.server, t.mode)
	bounded, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := t.DialAddress(bounded, nowhere)
	if err == nil {
		_ = conn.Close()
	}
	failed, ok := errors.AsType[*fault.Konnectivity](err)
	switch {
	case err == nil, ok && failed.Problem == fault.KonnectivityBeyond:
		return found + ", an agent of the cluster answers", nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return found, &fault.Konnectivity{Server: t.server, Err: err}
	}
	return found, err
}

const (
	checkTimeout = 8 * time.Second
	// nowhere is refused by every agent at once: nothing listens on port 1 of its own loopback.
	nowhere = "127.0.0.1:1"
)

// hostPort returns an address as text.
func hostPort(a netip.Addr, port int) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(port))
}
