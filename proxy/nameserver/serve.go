package nameserver

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Limits of a Server that listens.
const (
	maxAnswering   = 128 // questions in datagrams
	maxConnections = 64
)

// past is a deadline that ends what waits for a connection.
var past = time.Unix(1, 0)

// Serve answers the questions that come in datagrams and over connections until ctx ends or one of the two fails, and
// closes both. Beyond its limits, datagrams are dropped, as clients expect of a busy server, and connections are closed.
func (s *Server) Serve(ctx context.Context, packets net.PacketConn, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() {
		_ = packets.Close() // both fail only if they are closed already
		_ = listener.Close()
	})
	var packetsErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		packetsErr = s.servePackets(ctx, packets)
	})
	err := s.serveListener(ctx, listener)
	ended := ctx.Err() != nil
	cancel()
	wg.Wait()
	if ended && packetsErr == nil {
		return nil
	}
	return errors.Join(packetsErr, err)
}

// servePackets answers datagrams, and returns nil when ctx ends.
func (s *Server) servePackets(ctx context.Context, packets net.PacketConn) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxAnswering)
	buffer := make([]byte, maxQuery+1)
	for {
		n, from, err := packets.ReadFrom(buffer)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // of one datagram, such as that a client is gone, or of a system short of memory
			pause(ctx)
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			continue
		}
		query := append([]byte(nil), buffer[:n]...)
		wg.Go(func() {
			defer func() { <-slots }()
			if answer := s.Answer(ctx, query); answer != nil {
				_, _ = packets.WriteTo(answer, from) // the client is gone, or asks again
			}
		})
	}
}

// pause waits a moment after an error that may pass.
func pause(ctx context.Context) {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-ctx.Done():
	}
}

// serveListener answers the questions of connections until the listener is closed.
func (s *Server) serveListener(ctx context.Context, listener net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxConnections)
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			pause(ctx)
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			defer conn.Close()
			s.ServeConn(ctx, conn)
		})
	}
}
