package capture

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// An end is one of a cable's two, each a device.
type end struct {
	in, out chan []byte
	closed  chan struct{}
	close   func()
}

// newCable returns two devices, each of which reads what is written to the other.
func newCable() (a, b *end) {
	to, from, closed := make(chan []byte, 1024), make(chan []byte, 1024), make(chan struct{})
	unplug := sync.OnceFunc(func() { close(closed) })
	return &end{from, to, closed, unplug}, &end{to, from, closed, unplug}
}

func (e *end) Read(p []byte) (int, error) {
	select {
	case packet := <-e.in:
		return copy(p, packet), nil
	case <-e.closed:
		return 0, io.EOF
	}
}

func (e *end) Write(p []byte) (int, error) {
	select {
	case e.out <- bytes.Clone(p):
		return len(p), nil
	case <-e.closed:
		return 0, io.ErrClosedPipe
	}
}

func (e *end) Close() error { e.close(); return nil }

// echoing is a Resolver that answers with what it was asked.
type echoing struct{}

func (echoing) Answer(_ context.Context, query []byte) []byte {
	return append([]byte("answer to "), query...)
}

func (echoing) ServeConn(_ context.Context, conn net.Conn) { _, _ = io.Copy(conn, conn) }

var nameserver = netip.MustParseAddr("198.18.0.2")

// captured returns a Net that runs until the test ends, and a stack whose only network it is.
func captured(t *testing.T) (*Net, *stack.Stack) {
	t.Helper()
	far, near := newCable()
	n, err := New(Config{Device: far, MTU: 1500, Resolver: echoing{}, Nameserver: nameserver})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	client := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	l := &link{device: near, mtu: 1500, filter: func([]byte) bool { return false }}
	if err := client.CreateNIC(nic, l); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"198.18.0.1", "fd00::1"} {
		addr := netip.MustParseAddr(a)
		address := tcpip.ProtocolAddress{Protocol: protocolFor(addr), AddressWithPrefix: tcpip.AddrFromSlice(addr.AsSlice()).WithPrefix()}
		if err := client.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	client.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	reading := make(chan struct{})
	go func() { defer close(reading); _ = l.read() }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the network ended with %v", err)
		}
		<-reading
		client.Destroy()
	})
	return n, client
}

func protocolFor(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func fullAddress(to string) (tcpip.FullAddress, tcpip.NetworkProtocolNumber) {
	at := netip.MustParseAddrPort(to)
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFromSlice(at.Addr().AsSlice()), Port: at.Port()}, protocolFor(at.Addr())
}

// dial connects the client to an address in a goroutine, and returns a channel for the result.
func dial(client *stack.Stack, to string) <-chan dialled {
	result := make(chan dialled, 1)
	go func() {
		address, protocol := fullAddress(to)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		conn, err := gonet.DialContextTCP(ctx, client, address, protocol)
		result <- dialled{conn, err}
	}()
	return result
}

type dialled struct {
	conn *gonet.TCPConn
	err  error
}

func accept(t *testing.T, n *Net) *Conn {
	t.Helper()
	conn, err := n.Listener().Accept()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*Conn)
}

var everywhere = []string{"203.0.113.5:80", "[2001:db8::5]:443"}

func TestAConnectionToAnyAddressIsCaptured(t *testing.T) {
	n, client := captured(t)
	for _, to := range everywhere {
		result := dial(client, to)
		c := accept(t, n)
		if c.LocalAddr().String() != to {
			t.Errorf("%s arrives as %s", to, c.LocalAddr())
		}
		select {
		case r := <-result:
			t.Fatalf("%s is connected before it is accepted: %v", to, r.err)
		default:
		}
		if err := c.Accept(); err != nil {
			t.Fatal(err)
		}
		r := <-result
		if r.err != nil {
			t.Fatal(r.err)
		}
		sent := make([]byte, 3<<20)
		rand.Read(sent)
		go func() {
			_, _ = r.conn.Write(sent) // what arrives is compared
			_ = r.conn.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%s: %d bytes of %d, %v", to, len(got), len(sent), err)
		}
		// The other direction is still open.
		if _, err := c.Write([]byte("answer")); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r.conn); string(got) != "answer" || err != nil {
			t.Errorf("%s: the client got %q, %v", to, got, err)
		}
		r.conn.Close()
		c.Close()
	}
}

func TestClientsLearnWhyTheyAreRefused(t *testing.T) {
	n, client := captured(t)
	for _, c := range []struct {
		to, want string
		refuse   func(*Conn)
	}{
		{everywhere[0], "connection was refused", func(c *Conn) { c.Refuse(true) }},
		{everywhere[1], "connection was refused", func(c *Conn) { c.Refuse(true) }},
		{everywhere[0], "no route to host", func(c *Conn) { c.Refuse(false) }},
		{everywhere[0], "no route to host", func(c *Conn) { _ = c.Close() }},
	} {
		result := dial(client, c.to)
		c.refuse(accept(t, n))
		if r := <-result; r.err == nil || !strings.Contains(r.err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.to, r.err, c.want)
		}
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if len(n.pending) != 0 {
		t.Errorf("%d are still pending", len(n.pending))
	}
}

func TestAResetIsPassedOn(t *testing.T) {
	n, client := captured(t)
	result := dial(client, everywhere[0])
	c := accept(t, n)
	if err := c.Accept(); err != nil {
		t.Fatal(err)
	}
	r := <-result
	_ = c.SetLinger(0)
	c.Close()
	if _, err := r.conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the client read %v in place of a reset", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a closed connection can be read")
	}
}

// Until a connection is accepted, reads of it wait, for as long as they may.
func TestReadsWaitForTheClient(t *testing.T) {
	n, client := captured(t)
	result := dial(client, everywhere[0])
	c := accept(t, n)
	read := make(chan error, 1)
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	_ = c.SetReadDeadline(time.Unix(1, 0))
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the read ended with %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	if err := c.Accept(); err != nil {
		t.Fatal(err)
	}
	r := <-result
	if _, err := r.conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
	c.Close()

	result = dial(client, everywhere[0])
	c = accept(t, n)
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	c.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the read of a closed connection ended with %v", err)
	}
	<-result
	if err := c.Accept(); err == nil {
		t.Error("a closed connection is accepted")
	}
}

func TestQuestionsReachTheResolver(t *testing.T) {
	n, client := captured(t)
	for _, to := range []string{"198.18.0.2:53", "8.8.8.8:53", "[2001:db8::53]:53"} {
		address, protocol := fullAddress(to)
		conn, err := gonet.DialUDP(client, nil, &address, protocol)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Write([]byte("who?")); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100)
		if size, err := conn.Read(p); string(p[:size]) != "answer to who?" {
			t.Errorf("%s: %q, %v", to, p[:size], err)
		}
		conn.Close()
	}
	r := <-dial(client, "198.18.0.2:53")
	if r.err != nil {
		t.Fatal(r.err)
	}
	if _, err := r.conn.Write([]byte("who?")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4)
	if _, err := io.ReadFull(r.conn, p); string(p) != "who?" {
		t.Errorf("over TCP: %q, %v", p, err)
	}
	r.conn.Close()
	// Connections to other nameservers are like any other.
	result := dial(client, "8.8.8.8:53")
	accept(t, n).Refuse(true)
	<-result
}

// What is answered as unreachable says so, and quotes what was sent.
func TestUnreachables(t *testing.T) {
	far, near := newCable()
	n, err := New(Config{Device: far, MTU: 1500, Resolver: echoing{}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.Run(t.Context()) }()
	refusing := make(chan struct{})
	go func() {
		defer close(refusing)
		for {
			c, err := n.Listener().Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	const host4, port4, host6, port6 = "\x03\x01", "\x03\x03", "\x01\x03", "\x01\x04" // types and codes
	for _, c := range []struct {
		what   string
		packet []byte
		want   string
	}{
		{"ping", ping4(), host4},
		{"ping", ping6(), host6},
		{"datagram", datagramTo(flow("198.18.0.1:4000", "203.0.113.5:123"), []byte("x")), port4},
		{"datagram", datagramTo(flow("[fd00::1]:4000", "[2001:db8::5]:443"), []byte("x")), port6},
		{"SYN", syn(flow("198.18.0.1:4000", "203.0.113.5:80")), host4},
		{"SYN", syn(flow("[fd00::1]:4000", "[2001:db8::5]:443")), host6},
	} {
		if _, err := near.Write(c.packet); err != nil {
			t.Fatal(err)
		}
		answer := <-near.in
		size := header.IPv4MinimumSize
		if c.packet[0]>>4 == 6 {
			size = header.IPv6MinimumSize
		}
		quoted := c.packet[:size+8] // what is the least that a system needs
		if isPing, isControl := controlMessage(answer); isPing || !isControl || string(answer[size:size+2]) != c.want || !bytes.Contains(answer, quoted) {
			t.Errorf("%s % x is answered by % x", c.what, c.packet, answer)
		}
	}
	near.Close() // the device is gone
	if err := <-ended; err == nil {
		t.Error("the end of the device is no error")
	}
	<-refusing
}

// flow returns the numbers of what a client sends to an address, as the far side has them.
func flow(to, from string) stack.TransportEndpointID {
	client, _ := fullAddress(to)
	server, _ := fullAddress(from)
	return stack.TransportEndpointID{LocalAddress: client.Addr, LocalPort: client.Port, RemoteAddress: server.Addr, RemotePort: server.Port}
}

// syn returns the first segment of a connection.
func syn(id stack.TransportEndpointID) []byte {
	var p, segment []byte
	if id.LocalAddress.Len() == header.IPv4AddressSize {
		p = newIPv4(id.LocalAddress, id.RemoteAddress, header.TCPProtocolNumber, header.TCPMinimumSize)
		segment = p[header.IPv4MinimumSize:]
	} else {
		p = newIPv6(id.LocalAddress, id.RemoteAddress, header.TCPProtocolNumber, header.TCPMinimumSize)
		segment = p[header.IPv6MinimumSize:]
	}
	header.TCP(segment).Encode(&header.TCPFields{SrcPort: id.LocalPort, DstPort: id.RemotePort, SeqNum: 1, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 1000})
	return p
}

func ping4() []byte {
	p := newIPv4(tcpip.AddrFrom4([4]byte{198, 18, 0, 1}), tcpip.AddrFrom4([4]byte{203, 0, 113, 5}), header.ICMPv4ProtocolNumber, header.ICMPv4MinimumSize)
	header.ICMPv4(p[header.IPv4MinimumSize:]).SetType(header.ICMPv4Echo)
	return p
}

func ping6() []byte {
	p := newIPv6(tcpip.AddrFrom16([16]byte{0xfd, 15: 1}), tcpip.AddrFrom16([16]byte{0xfd, 15: 2}), header.ICMPv6ProtocolNumber, header.ICMPv6EchoMinimumSize)
	header.ICMPv6(p[header.IPv6MinimumSize:]).SetType(header.ICMPv6EchoRequest)
	return p
}

func TestAListenerEndsAlone(t *testing.T) {
	n, client := captured(t)
	l := n.Listener()
	result := dial(client, everywhere[0])
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(*Conn).Accept(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener accepts: %v", err)
	}
	r := <-result
	if _, err := r.conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("a connection has ended with its listener: %v", err)
	}
	c.Close()
}

func TestFramesCarryPackets(t *testing.T) {
	station := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	far, near := newCable()
	a, b := Ethernet(far, station), Ethernet(near, station)
	for kind, packet := range map[string][]byte{"\x08\x00": ping4(), "\x86\xdd": ping6()} {
		if n, err := a.Write(packet); n != len(packet) || err != nil {
			t.Fatal(n, err)
		}
		frame := <-near.in
		if !bytes.HasPrefix(frame, station) || string(frame[12:14]) != kind {
			t.Errorf("the frame is % x", frame)
		}
		for _, f := range [][]byte{nil, {1}, frame[:14], frame} { // what is no frame of a packet is left out
			if len(f) > 0 {
				near.out <- f
			}
		}
		p := make([]byte, 100)
		if n, err := a.Read(p); err != nil || !bytes.Equal(p[:n], packet) {
			t.Errorf("% x arrives as % x, %v", packet, p[:n], err)
		}
	}
	if _, err := a.Write(nil); err == nil {
		t.Error("nothing is sent")
	}
	a.Close()
	if _, err := b.Read(make([]byte, 1)); err == nil {
		t.Error("a closed device can be read")
	}
}

// No packet from inside can do more than cost a connection that is refused.
func FuzzPackets(f *testing.F) {
	first := syn(flow("198.18.0.1:4000", "203.0.113.5:80"))
	question := datagramTo(flow("198.18.0.1:4000", "198.18.0.2:53"), []byte("x"))
	for _, p := range [][]byte{ping4(), ping6(), question, first, unreachable(first, hostUnreachable), unreachable(ping6(), portUnreachable), {0x45}, {0x60}, {}} {
		f.Add(p)
	}
	far, near := newCable()
	n, err := New(Config{Device: far, MTU: 1500, Resolver: echoing{}, Nameserver: nameserver})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.Cleanup(cancel)
	go func() { _ = n.Run(ctx) }()
	go func() { // what is answered
		for {
			if _, err := near.Read(make([]byte, maxPacket)); err != nil {
				return
			}
		}
	}()
	go func() {
		for {
			c, err := n.Listener().Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	f.Fuzz(func(_ *testing.T, packet []byte) {
		n.link.deliver(packet)
		n.link.send(unreachable(packet, hostUnreachable))
	})
}
