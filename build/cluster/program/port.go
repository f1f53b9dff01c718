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

// onStop is what a program does when it is stopped.
type onStop int

const (
	finish onStop = iota // refuse new connections and finish the open ones
	ignore               // continue until it is killed
	exit                 // end immediately, and with it every connection
)

// Port is one listening port of a pod.
type Port struct {
	serve  behaviour
	onStop onStop
	// door, if set, is dialled instead of the program.
	door string
	// stopping and closing are hooks for a server with connections of its own.
	stopping, closing func()

	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	stopped  bool
	listener net.Listener // nil unless the port belongs to a container
	open     map[net.Conn]struct{}
	serving  sync.WaitGroup

	accepted atomic.Int64 // when the kernel's last connection arrived, in Unix nanoseconds
}

func newPort(serve behaviour) *Port {
	ctx, cancel := context.WithCancel(context.Background())
	return &Port{serve: serve, ctx: ctx, cancel: cancel, open: map[net.Conn]struct{}{}}
}

// Dial connects to the program, like a connection to the port on the pod's own localhost. For a port that does not
// listen it returns an error that wraps syscall.ECONNREFUSED.
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

// Stop stops the program as SIGTERM would: most refuse new connections and finish the open ones, some ignore it, some
// end immediately.
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

// Close kills the program: every connection ends immediately, and Close returns when all of its goroutines have ended.
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

// connect returns the two ends of a socket pair. Unlike net.Pipe it has buffers, half-close, and a reset when unread
// bytes are discarded, as TCP has.
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
