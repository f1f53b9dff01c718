package isolation

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// relayed starts a relay to a server that handles one connection, and returns a connection through it.
func relayed(t *testing.T, serve func(*net.TCPConn)) *net.TCPConn {
	t.Helper()
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := Relay(ctx, outside, inside.Addr().String(), slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	work.Go(func() {
		conn, err := inside.Accept()
		if err == nil {
			serve(conn.(*net.TCPConn))
			conn.Close()
		}
	})
	conn, err := net.Dial("tcp", outside.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		inside.Close()
		cancel()
		work.Wait()
	})
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func TestRelayPassesOnTheEndOfOneDirection(t *testing.T) {
	conn := relayed(t, func(server *net.TCPConn) {
		request, _ := io.ReadAll(server) // until the client's half-close
		_, _ = server.Write(append(request, " answered"...))
	})
	if _, err := conn.Write([]byte("asked")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || string(answer) != "asked answered" {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestRelayPassesOnAReset(t *testing.T) {
	conn := relayed(t, func(server *net.TCPConn) {
		_, _ = server.Read(make([]byte, 1))
		_ = server.SetLinger(0)
	})
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, not a reset", err)
	}
}
