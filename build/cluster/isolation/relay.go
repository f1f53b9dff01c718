package isolation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
)

// Listener returns a listener that this process inherited as a file: it accepts connections where it was made, outside
// the namespaces.
func Listener(descriptor int) (net.Listener, error) {
	file := os.NewFile(uintptr(descriptor), "listener")
	if file == nil {
		return nil, fmt.Errorf("descriptor %d: not open", descriptor)
	}
	defer file.Close()
	return net.FileListener(file)
}

// Relay relays each connection of a listener outside to an address inside, until ctx ends. Half-closes are passed on.
func Relay(ctx context.Context, outside net.Listener, inside string, log *slog.Logger) error {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = outside.Close() })()
	for {
		client, err := outside.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("relay to %s: %w", inside, err)
		}
		work.Go(func() {
			defer client.Close()
			server, err := new(net.Dialer).DialContext(ctx, "tcp", inside)
			if err != nil {
				log.Warn("relay", "to", inside, "error", err)
				return
			}
			defer server.Close()
			copyBoth(ctx, client, server)
		})
	}
}

// copyBoth copies in both directions. An error at either end resets both connections, as it would without the relay.
func copyBoth(ctx context.Context, a, b net.Conn) {
	var work sync.WaitGroup
	abort := func() {
		for _, conn := range []net.Conn{a, b} {
			if conn, ok := conn.(*net.TCPConn); ok {
				_ = conn.SetLinger(0)
			}
			conn.Close()
		}
	}
	defer context.AfterFunc(ctx, abort)()
	for _, way := range [2][2]net.Conn{{a, b}, {b, a}} {
		work.Go(func() {
			_, err := io.Copy(way[1], way[0])
			if to, ok := way[1].(*net.TCPConn); ok && err == nil {
				err = to.CloseWrite()
			}
			if err != nil {
				abort()
			}
		})
	}
	work.Wait()
}
