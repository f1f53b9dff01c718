package program

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// onStop is what a program does when it is told to stop.
type onStop int

const (
	finish onStop = iota // it refuses new connections and finishes those that are open
	ignore               // it goes on until it is killed
	exit                 // it ends at once, and with it every connection
)

// Port is one listening port of a pod.
type Port struct {
	serve  behaviour
	onStop onStop
	// door, if set, is dialled instead of the program.
	door string
	// stopping and closing let a server that keeps connections of its own join in.
	stopping, closing func()

	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	stopped  bool
	listener net.Listener // nil unless the port is one of a container
	open     map[net.Conn]struct{}
	serving  sync.WaitGroup

	accepted atomic.Int64 // when the system's last connection came, in Unix nanoseconds
}

func newPort(serve behaviour) *Port {
	ctx, cancel := context.WithCancel(context.Background())
	return &Port{serve: serve, ctx: ctx, cancel: cancel, open: map[net.Conn]struct{}{}}
}

// Dial connects to the program, as a connection to the port on the pod's own localhost would be made. A port that does not
// listen answers with an error that is syscall.ECONNREFUSED.
func (p *Port) Dial(ctx context.Context) (net.Conn, error) {
	p.mu.Lock()
	stopped := p.stopped
	p.mu.Unlock()
	if stopped {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	if p.door != "" {
		return new(net.Dialer).DialContext(ctx, "tcp", p.door)
	}
	client, server, err := connect()
	if err != nil {
		return nil, err
	}
	if !p.accept(server) {
		client.Close()
		server.Close()
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	return client, nil
}

func (p *Port) accept(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	p.start(conn)
	return true
}

// start serves a connection; the caller holds p.mu.
func (p *Port) start(conn net.Conn) {
	p.open[conn] = struct{}{}
	p.serving.Go(func() {
		p.serve(p.ctx, conn)
		conn.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, conn)
	})
}

// Stop tells the program to stop, as SIGTERM would: most refuse new connections and finish those that are open, some
// ignore it, some end at once.
func (p *Port) Stop() {
	switch p.onStop {
	case finish:
		p.refuse()
	case exit:
		p.Close()
	}
}

// refuse makes the port refuse new connections.
func (p *Port) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.stopped = true
	if p.listener != nil {
		p.listener.Close()
	}
	if p.stopping != nil {
		p.stopping()
	}
}

// Close kills the program: every connection ends at once, and Close returns when nothing of it runs any more.
func (p *Port) Close() {
	p.refuse()
	p.cancel()
	p.mu.Lock()
	for conn := range p.open {
		conn.Close()
	}
	p.mu.Unlock()
	if p.closing != nil {
		p.closing()
	}
	p.serving.Wait()
}

// connect makes the two ends of a connection inside the machine. It has what a TCP connection has and net.Pipe has
// not: buffers, half-close, and a reset when unread bytes are thrown away.
func connect() (client, server net.Conn, err error) {
	syscall.ForkLock.RLock()
	descriptors, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(descriptors[0])
		unix.CloseOnExec(descriptors[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ends := [2]net.Conn{}
	for i, descriptor := range descriptors {
		file := os.NewFile(uintptr(descriptor), "pod")
		end, fileErr := net.FileConn(file)
		file.Close()
		if fileErr != nil {
			err = fmt.Errorf("connection to a pod: %w", fileErr)
			continue
		}
		ends[i] = end
	}
	if err != nil {
		for _, end := range ends {
			if end != nil {
				end.Close()
			}
		}
		return nil, nil, err
	}
	return ends[0], ends[1], nil
}
