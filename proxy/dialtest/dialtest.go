// Package dialtest holds a proxy.Dialer to its contract. Every Dialer has a test that calls Run with what stands at the
// other end of it. The package is for tests only, and knows neither what carries the connections nor how to start a
// cluster.
package dialtest

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"fairlead/proxy"

	"go.uber.org/goleak"
)

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// Suite is a Dialer and what there is to dial. An address that is empty stands for something that the Dialer's world
// does not have; what would need it is not part of the suite then.
type Suite struct {
	Dialer proxy.Dialer
	// Echo must be given. It sends back what it gets, and ends its direction when the client's has ended, as far as it learns of that.
	Echo string
	// Late waits for five bytes, and for the end of the client's direction where HalfClose holds, then sends LateAnswer
	// in several pieces over a second or more, and closes.
	Late       string
	LateAnswer string
	// Source sends SourceBytes bytes and closes.
	Source      string
	SourceBytes int64
	// Refused has nobody listening, Unknown does not exist.
	Refused string
	Unknown string
	// Hangs never answers a dial.
	Hangs string
	// HalfClose says that the client's FIN reaches the target while the answer still comes.
	HalfClose bool
	// Bytes is the size of the large transfers; default 16 MiB.
	Bytes int64
	// Parallel is the number of connections at once; default 50.
	Parallel int
}

// Run tests the Dialer. It fails when a goroutine is left at the end that was not there after a first connection: what a
// Dialer keeps for all of them is begun by then.
func Run(t *testing.T, s Suite) {
	if s.Bytes == 0 {
		s.Bytes = 16 << 20
	}
	if s.Parallel == 0 {
		s.Parallel = 50
	}
	t.Run("FirstConnection", func(t *testing.T) { roundTrip(t, s) })
	before := goleak.IgnoreCurrent()
	for _, part := range []struct {
		name   string
		needed string
		test   func(*testing.T, Suite)
	}{
		{"RoundTrip", s.Echo, roundTrip},
		{"LargeTransferBothWays", s.Echo, largeBothWays},
		{"LargeTransferArrivesWithItsEnd", s.Source, largeSource},
		{"LateAnswerSurvivesTheClientsEnd", s.Late, lateAnswer},
		{"EndOfOneDirectionReachesTheTarget", onlyIf(s.HalfClose, s.Echo), endIsPassedOn},
		{"CloseUnblocksRead", s.Echo, closeUnblocksRead},
		{"CloseTwiceIsHarmless", s.Echo, closeTwice},
		{"ConnectionOutlivesTheContextOfItsDial", s.Echo, outlivesDial},
		{"CancelledDialReturns", s.Echo, cancelledDial},
		{"CancelEndsADialThatHangs", s.Hangs, cancelHanging},
		{"RefusedIsECONNREFUSED", s.Refused, refused},
		{"UnknownIsNotFound", s.Unknown, unknown},
		{"ManyAtOnce", s.Echo, many},
		{"FailureHarmsNoOtherConnection", both(s.Echo, s.Refused), failureHarmsNone},
	} {
		if part.needed != "" {
			t.Run(part.name, func(t *testing.T) { part.test(t, s) })
		}
	}
	// Close of a connection returns before the other side of it has noticed.
	err := goleak.Find(before)
	for deadline := time.Now().Add(patience / 2); err != nil && time.Now().Before(deadline); {
		err = goleak.Find(before)
	}
	if err != nil {
		t.Error(err)
	}
}

func onlyIf(condition bool, address string) string {
	if condition {
		return address
	}
	return ""
}

func both(a, b string) string { return onlyIf(a != "", b) }

// dial connects, waits for the confirmation where there is one, and closes the connection when the test ends.
func dial(t *testing.T, s Suite, address string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := s.Dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatalf("dial %s: %v", address, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if u, ok := conn.(proxy.Unconfirmed); ok {
		if err := u.Opened(ctx); err != nil {
			t.Fatalf("dial %s: opened: %v", address, err)
		}
	}
	if _, ok := conn.(interface{ CloseWrite() error }); !ok {
		t.Fatalf("%T has no CloseWrite", conn)
	}
	return conn
}

// dialError is the error of a dial that must fail, wherever the Dialer tells it.
func dialError(t *testing.T, s Suite, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := s.Dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if u, ok := conn.(proxy.Unconfirmed); ok {
		if err := u.Opened(ctx); err != nil {
			return err
		}
		// Taken for connected all the same: then the refusal is an error of Read.
		if _, err := within(t, func() (int, error) { return conn.Read(make([]byte, 1)) }); !errors.Is(err, io.EOF) {
			return err
		}
	}
	t.Fatalf("dial %s succeeds", address)
	return nil
}

// within runs an operation on a connection that may lack deadlines.
func within[T any](t *testing.T, operation func() (T, error)) (T, error) {
	t.Helper()
	type result struct {
		value T
		err   error
	}
	ended := make(chan result, 1)
	go func() {
		value, err := operation()
		ended <- result{value, err}
	}()
	select {
	case r := <-ended:
		return r.value, r.err
	case <-time.After(patience):
		t.Fatal("the operation does not end")
		panic("unreachable")
	}
}

func closeWrite(conn net.Conn) error { return conn.(interface{ CloseWrite() error }).CloseWrite() }
