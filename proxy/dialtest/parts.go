package dialtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
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
		return errors.New("what came back is not what was sent")
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
	if s.LateRequest != "" {
		if _, err := io.WriteString(conn, s.LateRequest); err != nil {
			t.Fatal(err)
		}
	}
	if err := closeWrite(conn); err != nil {
		t.Fatal(err)
	}
	got, err := within(t, func() ([]byte, error) { return io.ReadAll(conn) })
	if err != nil || string(got) != s.LateAnswer {
		t.Errorf("%q, %v", got, err)
	}
}

// endLosesNothing ends the client's direction while the echo of it is still to come. Whether or not the end reaches the
// target, all of the echo arrives, and then an orderly end.
func endLosesNothing(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	const size = 1 << 20
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		written <- errors.Join(err, closeWrite(conn))
	}()
	n, err := within(t, func() (int64, error) { return io.Copy(io.Discard, conn) })
	if err := errors.Join(err, <-written); err != nil || n != size {
		t.Errorf("%d of %d bytes, then %v", n, size, err)
	}
	if _, err := conn.Write([]byte("more")); err == nil {
		t.Error("a write after CloseWrite succeeds")
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
}

// reset makes the target reset the connection.
func reset(t *testing.T, s Suite) {
	conn := dial(t, s, s.Resets)
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, err := within(t, func() (int64, error) { return io.Copy(io.Discard, conn) }); err == nil {
		t.Errorf("%d bytes and an orderly end", n)
	}
}

// closeUnblocksRead closes several connections, each while a read waits. The target may answer the close, which must
// not look like an orderly end of its own.
func closeUnblocksRead(t *testing.T, s Suite) {
	for range 20 {
		closeWhileReading(t, s)
	}
}

func closeWhileReading(t *testing.T, s Suite) {
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
	case <-time.After(timeout):
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
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
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
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		conn, err := within(t, func() (net.Conn, error) { return s.Dialer.DialContext(over, "tcp", s.Echo) })
		if err == nil {
			_ = conn.Close()
			t.Error("a dial with a cancelled context succeeds")
		}
	}
	// A cancellation at any time leaves either a connection or an error, and no goroutine, which Run checks.
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Microsecond)
		conn, err := within(t, func() (net.Conn, error) { return s.Dialer.DialContext(ctx, "tcp", s.Echo) })
		if err == nil {
			_ = conn.Close()
		}
		cancel()
	}
}

func hanging(t *testing.T, s Suite) {
	for _, ending := range []struct {
		name  string
		limit time.Duration
		want  []error
	}{
		{"cancelled", timeout, []error{context.Canceled}},
		{"out of time", 300 * time.Millisecond, []error{context.DeadlineExceeded, os.ErrDeadlineExceeded}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), ending.limit)
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			conn, err := connect(ctx, s, s.Hangs)
			if err == nil {
				_ = conn.Close()
			}
			ended <- err
		}()
		select {
		case err := <-ended:
			t.Fatalf("the dial does not hang: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		if ending.limit == timeout {
			cancel()
		}
		select {
		case err := <-ended:
			if !slices.ContainsFunc(ending.want, func(want error) bool { return errors.Is(err, want) }) {
				t.Errorf("the dial that is %s returns %v", ending.name, err)
			}
		case <-time.After(timeout):
			t.Errorf("the dial that is %s goes on", ending.name)
		}
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

func notReady(t *testing.T, s Suite) {
	if err := dialError(t, s, s.NotReady); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("%v is not EHOSTUNREACH", err)
	}
}

func forbidden(t *testing.T, s Suite) {
	if err := dialError(t, s, s.Forbidden); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is not fs.ErrPermission", err)
	}
}

func many(t *testing.T, s Suite) {
	var all sync.WaitGroup
	for range s.Parallel {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
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

// closedLeaveNothing checks that a Dialer which keeps something between connections does not keep more with each.
func closedLeaveNothing(t *testing.T, s Suite) {
	const connections, slack = 100, 25
	use := func() {
		conn := dial(t, s, s.Echo)
		mustExchange(t, conn, "hello")
		_ = conn.Close()
	}
	use()
	before := runtime.NumGoroutine()
	for range connections {
		use()
	}
	for deadline := time.Now().Add(timeout / 2); runtime.NumGoroutine() > before+slack; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before %d connections, and %d after", before, connections, runtime.NumGoroutine())
		}
	}
}

func stopEndsAll(t *testing.T, s Suite) {
	conn := dial(t, s, s.Echo)
	mustExchange(t, conn, "hello")
	if _, err := within(t, func() (any, error) { s.Stop(); return nil, nil }); err != nil {
		t.Error(err)
	}
	if _, err := within(t, func() (int, error) { return conn.Read(make([]byte, 1)) }); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a read after the Dialer's end returns %v", err)
	}
	if err := dialError(t, s, s.Echo); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a dial after the Dialer's end returns %v, which is not net.ErrClosed", err)
	}
}
