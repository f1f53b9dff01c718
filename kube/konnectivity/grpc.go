package konnectivity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/apiserver-network-proxy/konnectivity-client/proto/client"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// grpcOpener asks a server in the mode grpc. It speaks the protocol itself, because the library's client cuts a
// connection that is not read for 10 s, waits as long for the end of each, and ends a cut one in an orderly way.
type grpcOpener struct {
	http httpConnect // for the connection to the server

	mu      sync.Mutex // guards ended, and that nothing is added to closing once it is waited for
	ended   bool
	closing sync.WaitGroup
}

// finish runs a connection's last steps in the background, and gives up on them at once when the Carrier has ended.
func (g *grpcOpener) finish(steps func(), giveUp func()) {
	g.mu.Lock()
	ended := g.ended
	if !ended {
		g.closing.Go(steps)
	}
	g.mu.Unlock()
	if ended {
		giveUp()
	}
}

// wait waits for the last steps of all connections.
func (g *grpcOpener) wait() {
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	g.closing.Wait()
}

const (
	// window is how much the server may send ahead of the reads, in bytes. gRPC's own estimate begins with 64 KiB on each
	// connection. More would be memory that a connection could fill without counting in the budget.
	window = 1 << 20
	// readBuffer is how much is read from the server at once, in bytes: two packets.
	readBuffer = 64 << 10
)

// open asks for a connection, over a gRPC connection of its own.
func (g *grpcOpener) open(ctx context.Context, address string) (net.Conn, error) {
	below := &underlying{}
	cc, err := grpc.NewClient("passthrough:///konnectivity",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // TLS is below, so that its errors have their types
		grpc.WithContextDialer(func(dial context.Context, _ string) (net.Conn, error) { return below.keep(g.dial(dial)) }),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window), grpc.WithReadBufferSize(readBuffer),
		grpc.WithNoProxy(), grpc.WithUserAgent("fairlead"), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, g.http.unusable(ctx, err)
	}
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &grpcConn{cc: cc, cancel: cancel, below: below, opener: g, ended: make(chan struct{})}
	stop := context.AfterFunc(ctx, cancel)
	err = c.dial(lasting, g.http.server, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return c, nil
	}
	cancel()
	_ = cc.Close()
	if errors.As(err, new(*fault.Konnectivity)) && ctx.Err() == nil {
		return nil, err
	}
	if first := below.err.Load(); first != nil {
		err = *first
	}
	return nil, g.http.unusable(ctx, plain(err))
}

// plain returns the message of a gRPC status without its code.
func plain(err error) error {
	if s, ok := status.FromError(err); ok {
		return errors.New(safetext.Line(s.Message()))
	}
	return err
}

// dial connects to the server, with TLS as gRPC needs it if its scheme is https.
func (g *grpcOpener) dial(ctx context.Context) (net.Conn, error) {
	config := g.http.config
	if config.Server.Scheme == "unix" {
		return g.http.connect(ctx)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address(config.Server))
	if err != nil || config.Server.Scheme != "https" {
		return conn, err
	}
	secured := &tls.Config{}
	if config.TLS != nil {
		of, err := config.TLS()
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		secured = of.Clone()
	}
	secured.NextProtos = []string{"h2"}
	secured.MinVersion = max(secured.MinVersion, tls.VersionTLS12)
	if secured.ServerName == "" {
		secured.ServerName = config.Server.Hostname()
	}
	over := tls.Client(conn, secured)
	if err := over.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return over, nil
}

// underlying keeps the connection under gRPC, and its first error, which gRPC reports as text only.
type underlying struct {
	err  atomic.Pointer[error]
	conn atomic.Pointer[net.Conn]
}

func (l *underlying) keep(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		l.err.CompareAndSwap(nil, &err)
		return nil, err
	}
	l.conn.Store(&conn)
	return &watched{conn, l}, nil
}

// A watched is a connection whose first error is kept.
type watched struct {
	net.Conn
	underlying *underlying
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.underlying.err.CompareAndSwap(nil, &err)
	}
	return n, err
}

// A grpcConn is a connection in the mode grpc: one stream, on a gRPC connection of its own.
type grpcConn struct {
	cc     *grpc.ClientConn
	stream grpc.BidiStreamingClient[client.Packet, client.Packet]
	id     int64
	cancel context.CancelFunc
	below  *underlying
	opener *grpcOpener

	reading sync.Mutex // guards rest and end
	rest    []byte
	end     error // what Read returns from now on

	writing sync.Mutex // guards that one packet is sent at a time
	closed  atomic.Bool
	expired atomic.Bool
	close   sync.Once
	ended   chan struct{} // closed when the stream has ended, as Read saw it

	timing sync.Mutex // guards timer
	timer  *time.Timer
}

// dial asks for the connection.
func (c *grpcConn) dial(ctx context.Context, server, address string) error {
	var err error
	if c.stream, err = client.NewProxyServiceClient(c.cc).Proxy(ctx); err != nil {
		return err
	}
	id := rand.Int64()
	if err := c.stream.Send(&client.Packet{
		Type:    client.PacketType_DIAL_REQ,
		Payload: &client.Packet_DialRequest{DialRequest: &client.DialRequest{Protocol: "tcp", Address: address, Random: id}},
	}); err != nil && !errors.Is(err, io.EOF) { // then Recv has the error
		return err
	}
	answer, err := c.stream.Recv()
	if err != nil {
		return err
	}
	said := answer.GetDialResponse()
	switch {
	case answer.Type == client.PacketType_DIAL_CLS:
		return refusal(server, 0, "backend context error: the dial was closed")
	case answer.Type != client.PacketType_DIAL_RSP || said.GetRandom() != id:
		return fmt.Errorf("the answer to a dial is a packet of the type %v", answer.Type)
	case said.Error != "":
		return refusal(server, 0, said.Error)
	}
	c.id = said.ConnectID
	return nil
}

// Read reads what the target sent. Without a close of the target's the end is that of the server or the agent.
func (c *grpcConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for len(c.rest) == 0 {
		if c.end != nil {
			return 0, c.end
		}
		packet, err := c.stream.Recv()
		switch {
		case err != nil || packet.Type == client.PacketType_CLOSE_RSP:
			c.end = c.ending(packet, err)
			close(c.ended)
		case packet.Type == client.PacketType_DATA && packet.GetData().GetConnectID() == c.id:
			c.rest = packet.GetData().GetData()
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// ending returns what Read returns at the end of the stream.
func (c *grpcConn) ending(packet *client.Packet, err error) error {
	switch {
	case c.expired.Load():
		return os.ErrDeadlineExceeded
	case c.closed.Load():
		return net.ErrClosed
	case err != nil:
		return &net.OpError{Op: "read", Net: "konnectivity", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	case packet.GetCloseResponse().GetError() != "":
		return &net.OpError{Op: "read", Net: "konnectivity", Err: fmt.Errorf("%w: %s", syscall.ECONNRESET, safetext.Line(packet.GetCloseResponse().GetError()))}
	}
	return io.EOF
}

// maxPacket is how many bytes one packet carries, as in the server's own.
const maxPacket = 32 << 10

// Write sends to the target.
func (c *grpcConn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for part := range slices.Chunk(p, maxPacket) {
		err := net.ErrClosed
		if !c.closed.Load() {
			err = c.stream.Send(&client.Packet{
				Type:    client.PacketType_DATA,
				Payload: &client.Packet_Data{Data: &client.Data{ConnectID: c.id, Data: part}},
			})
		}
		if err != nil {
			return n, c.writeError()
		}
		n += len(part)
	}
	return n, nil
}

func (c *grpcConn) writeError() error {
	switch {
	case c.expired.Load():
		return os.ErrDeadlineExceeded
	case c.closed.Load():
		return net.ErrClosed
	}
	return &net.OpError{Op: "write", Net: "konnectivity", Err: os.NewSyscallError("write", syscall.EPIPE)}
}

// closeTimeout bounds how long what was written last may take to the server after Close.
const closeTimeout = 2 * time.Second

// Close ends the connection, once the server has what was written. It does not wait for that.
func (c *grpcConn) Close() error {
	c.close.Do(func() {
		c.closed.Store(true)
		_ = c.SetDeadline(time.Time{})
		c.opener.finish(c.finish, c.cut)
	})
	return nil
}

// CloseWrite asks for the end of the connection, which Read reports when it has come. There is no half-close.
func (c *grpcConn) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closed.Load() {
		return net.ErrClosed
	}
	if err := c.stream.Send(&client.Packet{
		Type: client.PacketType_CLOSE_REQ, Payload: &client.Packet_CloseRequest{CloseRequest: &client.CloseRequest{ConnectID: c.id}},
	}); err != nil {
		return c.writeError()
	}
	return nil
}

// finish ends the stream, and waits until the server has ended it, too.
func (c *grpcConn) finish() {
	timer := time.AfterFunc(closeTimeout, c.cancel)
	defer timer.Stop()
	defer c.cut()
	c.writing.Lock()
	_ = c.stream.CloseSend() // the server then closes the target, and ends the stream
	c.writing.Unlock()
	_, _ = io.Copy(io.Discard, c)
}

// cut ends the connection to the server.
func (c *grpcConn) cut() {
	c.cancel()
	_ = c.cc.Close()
}

// SetLinger with 0 seconds makes the next Close lose what was not sent yet.
func (c *grpcConn) SetLinger(seconds int) error {
	if seconds == 0 {
		c.cancel()
	}
	return nil
}

// SetDeadline ends the connection for good when the time has come, unless it is set again before.
func (c *grpcConn) SetDeadline(t time.Time) error {
	c.timing.Lock()
	defer c.timing.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if !t.IsZero() {
		c.timer = time.AfterFunc(time.Until(t), func() {
			c.expired.Store(true)
			c.cancel()
		})
	}
	return nil
}

// SetReadDeadline is SetDeadline.
func (c *grpcConn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (c *grpcConn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

// LocalAddr returns the address of the connection to the server.
func (c *grpcConn) LocalAddr() net.Addr { return c.address(net.Conn.LocalAddr) }

// RemoteAddr returns the address of the server.
func (c *grpcConn) RemoteAddr() net.Addr { return c.address(net.Conn.RemoteAddr) }

func (c *grpcConn) address(of func(net.Conn) net.Addr) net.Addr {
	if conn := c.below.conn.Load(); conn != nil {
		return of(*conn)
	}
	return &net.TCPAddr{}
}
