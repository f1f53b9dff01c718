package konnectivity

import (
	"context"
	"errors"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy/stream"
)

// sealed is a connection whose end of a direction is bytes that the peer has to take, as in TLS.
type sealed struct {
	net.Conn
	ending chan struct{} // closed when CloseWrite has begun
	ended  chan error    // what its write returned
}

func (s *sealed) CloseWrite() error {
	close(s.ending)
	_, err := s.Write([]byte("end"))
	s.ended <- err
	return err
}

// openFunc is a function as an opener.
type openFunc func(ctx context.Context, address string) (net.Conn, error)

func (f openFunc) open(ctx context.Context, address string) (net.Conn, error) { return f(ctx, address) }

// TestNothingWaitsForTheEndThatAServerDoesNotTake is about a server that reads nothing any more when the client has ended its
// direction.
func TestNothingWaitsForTheEndThatAServerDoesNotTake(t *testing.T) {
	carrier := running(t, "127.0.0.1:1")
	carrier.quiet = time.Millisecond
	ours, server := net.Pipe()
	t.Cleanup(func() { _ = server.Close() })
	below := &sealed{ours, make(chan struct{}), make(chan error, 1)}
	carrier.opener = openFunc(func(context.Context, string) (net.Conn, error) { return below, nil })
	conn, err := carrier.DialAddress(t.Context(), "10.96.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseWrite(conn); err != nil {
		t.Fatal(err)
	}
	await(t, "the end to be passed on", func() { <-below.ending })
	await(t, "Read", func() {
		if _, err := server.Write([]byte("late")); err != nil {
			t.Error(err)
		}
		got := make([]byte, 8)
		if n, err := conn.Read(got); string(got[:n]) != "late" || err != nil {
			t.Errorf("%q, %v", got[:n], err)
		}
	})
	await(t, "Write", func() {
		if _, err := conn.Write([]byte("more")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("a write after the end: %v", err)
		}
	})
	await(t, "Close", func() { _ = conn.Close() })
	await(t, "the end to be given up", func() {
		if err := <-below.ended; err == nil {
			t.Error("somebody has taken the end")
		}
	})
}

// await waits until do returns.
func await(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("waited too long for %s", what)
	}
}

// slow is a connection whose CloseWrite takes until the test lets it return.
type slow struct {
	net.Conn
	begun, leave chan struct{}
}

func (s *slow) CloseWrite() error {
	close(s.begun)
	<-s.leave
	return nil
}

// TestRunWaitsForTheEndThatIsPassedOn is about the goroutine that passes the end of the client's direction on.
func TestRunWaitsForTheEndThatIsPassedOn(t *testing.T) {
	carrier, err := New(Config{Server: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Quiet: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ours, server := net.Pipe()
	t.Cleanup(func() { _ = server.Close() })
	below := &slow{ours, make(chan struct{}), make(chan struct{})}
	carrier.opener = openFunc(func(context.Context, string) (net.Conn, error) { return below, nil })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- carrier.Run(ctx) }()
	conn, err := carrier.DialAddress(t.Context(), "10.96.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseWrite(conn); err != nil {
		t.Fatal(err)
	}
	await(t, "the end to be passed on", func() { <-below.begun })
	cancel()
	select {
	case <-ended:
		t.Error("Run has not waited")
		ended <- nil
	case <-time.After(200 * time.Millisecond):
	}
	close(below.leave)
	await(t, "Run", func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
