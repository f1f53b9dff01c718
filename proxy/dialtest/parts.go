package dialtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// exchange sends text and reads as much back.
func exchange(conn net.Conn, text string) error {
	if _, err := conn.Write([]byte(text)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if string(got) != text {
		return fmt.Errorf("got %q, sent %q", got, text)
	}
	return nil
}

func mustExchange(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := within(t, func() (any, error) { return nil, exchange(conn, text) }); err != nil {
		t.Fatal(err)
	}
}

func roundTrip(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	for i := range 20 {
		mustExchange(t, conn, fmt.Sprintf("message %d", i))
	}
}

func largeBothWays(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	if _, err := within(t, func() (any, error) { return nil, echoSum(conn, s.Bytes) }); err != nil {
		t.Error(err)
	}
}

// echoSum sends n random bytes while it reads n back, and compares.
func echoSum(conn net.Conn, n int64) error {
	sent, got := sha256.New(), sha256.New()
	written := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.MultiWriter(conn, sent), rand.Reader, n)
		written <- err
	}()
	_, err := io.CopyN(got, conn, n)
	if err := errors.Join(err, <-written); err != nil {
		return err
	}
	if [32]byte(sent.Sum(nil)) != [32]byte(got.Sum(nil)) {
		return errors.New("other bytes came back than were sent")
	}
	return nil
}

func largeSource(t *testing.T, s Suite) {
	conn := dial(t, s, s.Source)
	n, err := within(t, func() (int64, error) { return io.Copy(io.Discard, conn) })
	if err != nil || n != s.SourceBytes {
		t.Errorf("%d of %d bytes, then %v", n, s.SourceBytes, err)
	}
}

func lateAnswer(t *testing.T, s Suite) {
	conn := dial(t, s, s.Late)
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := closeWrite(conn); err != nil {
		t.Fatal(err)
	}
	got, err := within(t, func() ([]byte, error) { return io.ReadAll(conn) })
	if err != nil || string(got) != s.LateAnswer {
		t.Errorf("%q, %v", got, err)
	}
}

func endIsPassedOn(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := closeWrite(conn); err != nil {
		t.Fatal(err)
	}
	got, err := within(t, func() ([]byte, error) { return io.ReadAll(conn) })
	if err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := conn.Write([]byte("more")); err == nil {
		t.Error("a write after CloseWrite succeeds")
	}
}

func closeUnblocksRead(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	mustExchange(t, conn, "hello")
	ended := make(chan error, 1)
	reading := make(chan struct{})
	go func() {
		close(reading)
		_, err := conn.Read(make([]byte, 1))
		ended <- err
	}()
	<-reading
	if err := conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the read returns %v", err)
		}
	case <-time.After(patience):
		t.Error("the read does not end")
	}
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("a write after Close succeeds")
	}
}

func closeTwice(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	_ = conn.Close()
	_ = conn.Close() // may be an error, must not be a panic
}

func outlivesDial(t *testing.T, s Suite) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := s.Dialer.DialContext(ctx, "tcp", s.Echo)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	mustExchange(t, conn, "before")
	cancel()
	mustExchange(t, conn, "after")
}

func cancelledDial(t *testing.T, s Suite) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn, err := within(t, func() (net.Conn, error) { return s.Dialer.DialContext(ctx, "tcp", s.Echo) })
	if err == nil {
		_ = conn.Close()
		t.Error("a dial with a cancelled context succeeds")
	}
	// A cancel at any moment leaves either a connection or an error, and nothing behind: Run looks for what is left.
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Microsecond)
		conn, err := within(t, func() (net.Conn, error) { return s.Dialer.DialContext(ctx, "tcp", s.Echo) })
		if err == nil {
			_ = conn.Close()
		}
		cancel()
	}
}

func cancelHanging(t *testing.T, s Suite) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		conn, err := s.Dialer.DialContext(ctx, "tcp", s.Hangs)
		if err == nil {
			_ = conn.Close()
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Errorf("the dial does not hang: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the cancelled dial succeeds")
		}
	case <-time.After(patience):
		t.Error("the cancelled dial goes on")
	}
}

func refused(t *testing.T, s Suite) {
	if err := dialError(t, s, s.Refused); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v is not ECONNREFUSED", err)
	}
}

func unknown(t *testing.T, s Suite) {
	var dns *net.DNSError
	if err := dialError(t, s, s.Unknown); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("%v is no *net.DNSError with IsNotFound", err)
	}
}

func many(t *testing.T, s Suite) {
	var all sync.WaitGroup
	for range s.Parallel {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, err := s.Dialer.DialContext(ctx, "tcp", s.Echo)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			if err := echoSum(conn, 64<<10); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := within(t, func() (any, error) { all.Wait(); return nil, nil }); err != nil {
		t.Error(err)
	}
}

func failureHarmsNone(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	mustExchange(t, conn, "before")
	for range 5 {
		_ = dialError(t, s, s.Refused)
	}
	mustExchange(t, conn, "after")
}
