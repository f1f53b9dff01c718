// Package capture accepts the connections of programs whose packets all arrive at one device, such as a TUN device that is
// their only route. A TCP stack in this process answers for every address. The caller accepts or refuses each connection,
// and only then is the client answered, as the target itself would answer.
//
// Datagrams to port 53 are questions for a Resolver. All other datagrams, and pings, are answered as unreachable.
package capture

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Limits of what clients can use.
const (
	maxPending   = 2048 // connections that are not answered yet; more are ignored until the client repeats them
	maxQuestions = 256  // datagrams for the Resolver at a time; more are dropped
	maxDNSConns  = 64
)

// Sizes of the buffers of a connection. They grow with what the connection carries.
const (
	usualBuffer = 512 << 10
	maxBuffer   = 4 << 20
)

// timeWait is short, because the clients' own ends are in this machine.
const timeWait = time.Second

// nic is the number of the only interface.
const nic = tcpip.NICID(1)

const dnsPort = 53

// A Resolver answers questions to nameservers.
type Resolver interface {
	// Answer returns the answer to a datagram, or nil if there is none.
	Answer(ctx context.Context, query []byte) []byte
	// ServeConn answers the questions of a connection until it ends.
	ServeConn(ctx context.Context, conn net.Conn)
}

// Config configures a Net.
type Config struct {
	Device     io.ReadWriteCloser // one IP packet per Read and Write; it is closed with the Net
	MTU        int                // the largest packet
	Resolver   Resolver           // answers datagrams to port 53 of any address
	Nameserver netip.Addr         // connections to its port 53 are the Resolver's, too
	// Departed reports whether no program has the client's socket open any more. It may be nil.
	Departed func(client, local netip.AddrPort) bool
}

// A Net is the far side of a device: all addresses that its programs can reach. Listener accepts their connections.
type Net struct {
	config   Config
	stack    *stack.Stack
	link     *link
	accepted chan *Conn
	closed   chan struct{}
	close    func()
	serving  context.Context // ends when the Net is closed
	workers  sync.WaitGroup
	queries  chan struct{} // has a token for each datagram with the Resolver
	streams  chan struct{} // has a token for each connection with the Resolver

	mutex   sync.Mutex
	pending map[stack.TransportEndpointID][]byte // the headers of their SYNs, which an ICMP error has to quote
}

// New returns a Net. It starts nothing.
func New(config Config) (*Net, error) {
	n := &Net{
		config: config, link: &link{device: config.Device, mtu: uint32(config.MTU)}, accepted: make(chan *Conn), closed: make(chan struct{}),
		queries: make(chan struct{}, maxQuestions), streams: make(chan struct{}, maxDNSConns),
		pending: map[stack.TransportEndpointID][]byte{},
	}
	var stop context.CancelFunc
	n.serving, stop = context.WithCancel(context.Background())
	n.close = sync.OnceFunc(func() { stop(); close(n.closed); _ = config.Device.Close() })
	n.link.filter = n.filter
	n.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := n.configure(); err != nil {
		n.stack.Destroy()
		return nil, err
	}
	return n, nil
}

// configure makes the stack stand for all addresses.
func (n *Net) configure() error {
	options := []tcpip.SettableTransportProtocolOption{
		new(tcpip.TCPSACKEnabled(true)), new(tcpip.TCPModerateReceiveBufferOption(true)), new(tcpip.TCPTimeWaitTimeoutOption(timeWait)),
		&tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: usualBuffer, Max: maxBuffer},
		&tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: usualBuffer, Max: maxBuffer},
	}
	for _, o := range options {
		if err := n.stack.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("set up TCP: %s", err)
		}
	}
	forwarder := tcp.NewForwarder(n.stack, 0, maxPending, n.handleRequest)
	n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, func(id stack.TransportEndpointID, p *stack.PacketBuffer) bool {
		return n.segment(forwarder, id, p)
	})
	n.stack.SetTransportProtocolHandler(udp.ProtocolNumber, n.datagram)
	if err := n.stack.CreateNIC(nic, n.link); err != nil {
		return fmt.Errorf("set up the interface: %s", err)
	}
	if err := n.stack.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("set up the interface: %s", err)
	}
	if err := n.stack.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("set up the interface: %s", err)
	}
	n.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	return nil
}

// Run carries packets until ctx ends or the Net is closed, and then returns nil, or until the device fails. It must be
// called once. Connections that were not ended before are lost with it.
func (n *Net) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, n.close)()
	err := n.link.read()
	wanted := n.serving.Err() != nil
	n.close()
	n.stack.Destroy()
	n.workers.Wait()
	if wanted {
		return nil
	}
	return fmt.Errorf("read packets: %w", err)
}

// Listener returns a listener for the connections of n. Each is a *Conn with the address that the client connects to as its
// LocalAddr, and its client waits for Conn.Accept or Conn.Refuse. Closing the listener ends its Accept, and nothing else.
func (n *Net) Listener() net.Listener { return &listener{net: n, closed: make(chan struct{})} }

type listener struct {
	net    *Net
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.net.accepted:
		return c, nil
	case <-l.closed:
	case <-l.net.closed:
	}
	return nil, net.ErrClosed
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// segment handles a segment that belongs to no connection.
func (n *Net) segment(forwarder *tcp.Forwarder, id stack.TransportEndpointID, p *stack.PacketBuffer) bool {
	known, room := n.remember(id, p)
	if !room {
		return true
	}
	handled := forwarder.HandlePacket(id, p)
	if !handled && !known {
		n.forget(id)
	}
	return handled
}

// remember keeps the headers of a client's first segment, which an ICMP error has to quote. It reports whether the client is known
// already, and whether there is room for it.
func (n *Net) remember(id stack.TransportEndpointID, p *stack.PacketBuffer) (known, room bool) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if _, known = n.pending[id]; known {
		return true, true
	}
	if len(n.pending) >= maxPending {
		return false, false
	}
	n.pending[id] = quote(p)
	return false, true
}

// forget removes and returns what remember kept.
func (n *Net) forget(id stack.TransportEndpointID) []byte {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	quoted := n.pending[id]
	delete(n.pending, id)
	return quoted
}

// handleRequest passes on a client's request for a connection. The stack calls it in a goroutine of its own.
func (n *Net) handleRequest(r *tcp.ForwarderRequest) {
	c := newConn(n, r)
	if to := c.local; to.Port() == dnsPort && to.Addr() == n.config.Nameserver {
		n.serveDNS(c)
		return
	}
	select {
	case n.accepted <- c:
	case <-n.closed:
		_ = c.Close()
	}
}

// serveDNS serves a connection to the nameserver.
func (n *Net) serveDNS(c *Conn) {
	select {
	case n.streams <- struct{}{}:
		defer func() { <-n.streams }()
	default:
		c.Refuse(true)
		return
	}
	if c.Accept() != nil {
		return
	}
	defer func() { _ = c.Close() }()
	n.config.Resolver.ServeConn(n.serving, c)
}

// datagram answers a datagram.
func (n *Net) datagram(id stack.TransportEndpointID, p *stack.PacketBuffer) bool {
	quoted := quote(p)
	if id.LocalPort != dnsPort || n.config.Resolver == nil {
		n.link.send(unreachable(quoted, portUnreachable))
		return true
	}
	select {
	case n.queries <- struct{}{}:
	default:
		return true
	}
	query := p.Data().AsRange().ToSlice()
	n.workers.Go(func() {
		defer func() { <-n.queries }()
		if answer := n.config.Resolver.Answer(n.serving, query); len(answer) > 0 {
			n.link.send(datagramTo(id, answer))
		}
	})
	return true
}

// filter reports whether a packet is an ICMP message, which the stack must not see. It answers pings.
func (n *Net) filter(packet []byte) bool {
	isPing, isControl := controlMessage(packet)
	if isPing {
		n.link.send(unreachable(packet, hostUnreachable))
	}
	return isControl
}
