// Package inside runs a program whose only network is a context's: all its connections are captured, and go by the
// context's routes. It puts together the gateway of a context (app/gateway), the namespaces (app/netns), and the stack
// and the nameserver behind the device (proxy/capture, proxy/nameserver).
package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/app/gateway"
	"fairlead/app/netns"
	"fairlead/proxy"
	"fairlead/proxy/capture"
	"fairlead/proxy/nameserver"
	"fairlead/proxy/peer"
	"fairlead/proxy/virtual"
)

// Config describes a program and the context that it runs in.
type Config struct {
	Gateways *gateway.Gateways
	Context  string // its settings must have no port to listen on
	Domain   string // of the cluster

	Path string   // of the program
	Args []string // with its name as the first
	Env  []string

	Range       netip.Prefix // of the addresses that stand for names
	MTU         int
	OnlyCluster bool // names outside the cluster are refused

	// Follow applies changes to the gateway until ctx ends. It may be nil.
	Follow  func(context.Context, *gateway.Gateway) error
	Started func() // is called once the program gets this process's signals
}

// Numbers in Config.Range that have a meaning of their own.
const (
	programNumber    = 1 // the program's end of the device
	nameserverNumber = 2
	hostNumber       = 3 // this machine's loopback, gateway.HostName
	reserved         = 16
)

// range6 is where the addresses of IPv6 are from. It is unique to Fairlead, and seen by the program only.
var range6 = netip.MustParsePrefix("fd5e:a1fa:1ead::/64")

// nameLasts is how long a program may keep an answer about a name.
const nameLasts = 5 * time.Second

// If a captured connection were no proxy.Pending, its client would not be answered.
var _ proxy.Pending = (*capture.Conn)(nil)

// Run runs a program and returns its status. If it cannot start the program, the error is a *netns.Error, or
// one of the context.
func Run(ctx context.Context, c Config) (syscall.WaitStatus, error) {
	var none syscall.WaitStatus
	if err := checkRange(c.Range, machineRoutes()); err != nil {
		return none, err
	}
	table, err := virtual.New(c.Range, range6, reserved)
	if err != nil {
		return none, err
	}
	return c.whileServing(ctx, c.Follow, func(g *gateway.Gateway) (syscall.WaitStatus, error) { return c.run(ctx, g, table) })
}

// whileServing calls run while the context's gateway serves and, unless it is nil, follow applies changes to it.
func (c Config) whileServing(ctx context.Context, follow func(context.Context, *gateway.Gateway) error,
	run func(*gateway.Gateway) (syscall.WaitStatus, error),
) (status syscall.WaitStatus, err error) {
	session, err := c.Gateways.Start(ctx, c.Context, false, func(error) {}) // the connections say what is wrong
	if err != nil {
		return status, err
	}
	started := session.(*gateway.Gateway) // as Gateways makes it
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var gateways errgroup.Group
	gateways.Go(func() error { return started.Serve(serving) })
	if follow != nil {
		gateways.Go(func() error {
			if err := follow(serving, started); serving.Err() == nil {
				return err
			}
			return nil
		})
	}
	status, err = run(started)
	stop()
	return status, errors.Join(err, gateways.Wait())
}

// run runs the program on a gateway that serves.
func (c Config) run(ctx context.Context, g *gateway.Gateway, table *virtual.Table) (status syscall.WaitStatus, err error) {
	own4, own6 := table.At(programNumber)
	server, _ := table.At(nameserverNumber)
	process, err := netns.Start(netns.Config{
		Path: c.Path, Args: c.Args, Env: c.Env, MTU: c.MTU, Nameservers: []netip.Addr{server}, Search: c.search(g),
		Addresses: []netip.Prefix{netip.PrefixFrom(own4, c.Range.Bits()), netip.PrefixFrom(own6, range6.Bits())},
	})
	if err != nil {
		return status, err
	}
	defer process.Close()
	names := &source{gateway: g, table: table, ipv6: process.IPv6, onlyCluster: c.OnlyCluster}
	sockets, err := peer.SocketsOf(process.Sockets)
	if err != nil {
		_ = process.Device.Close()
		return status, fmt.Errorf("sockets inside: %w", err)
	}
	defer func() { _ = sockets.Close() }()
	network, err := capture.New(capture.Config{
		Device: deviceOf(process), MTU: c.MTU, Resolver: nameserver.New(names, nameLasts), Nameserver: server, Departed: sockets.Departed,
	})
	if err != nil {
		_ = process.Device.Close()
		return status, fmt.Errorf("network stack: %w", err)
	}
	carrying, endNetwork := context.WithCancel(context.WithoutCancel(ctx))
	capturing, endCapture := context.WithCancel(carrying)
	var group errgroup.Group
	group.Go(func() error { return network.Run(carrying) })
	served := make(chan struct{})
	group.Go(func() error {
		defer close(served)
		return g.ServeCaptured(capturing, network.Listener(), names.target)
	})
	status, err = c.wait(ctx, process)
	endCapture()
	<-served // what the program has sent last is delivered
	endNetwork()
	return status, errors.Join(err, group.Wait())
}

// deviceOf returns the device of a process.
func deviceOf(process *netns.Process) io.ReadWriteCloser {
	if process.Hardware == nil {
		return process.Device
	}
	return capture.Ethernet(process.Device, process.Hardware)
}

// wait starts the program and waits for its end.
func (c Config) wait(ctx context.Context, process *netns.Process) (status syscall.WaitStatus, err error) {
	if err := ctx.Err(); err != nil {
		return status, err
	}
	if err := process.Run(); err != nil {
		return status, err
	}
	defer process.PassSignals()()
	if c.Started != nil {
		c.Started()
	}
	return process.Wait()
}

// search returns the domains in which the program looks for short names: those of a Pod in the context's namespace, and
// then the machine's.
func (c Config) search(g *gateway.Gateway) []string {
	domains := []string{g.Namespace() + ".svc." + c.Domain, "svc." + c.Domain, c.Domain}
	if c.OnlyCluster {
		return domains
	}
	return append(domains, machineSearch()...)
}
