// Package dialtest tests that a proxy.Dialer keeps its contract. Every Dialer has a test that calls Run with targets
// that it reaches. The package is for tests only, and depends neither on what carries the connections nor on how a
// cluster is started.
package dialtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/proxy"
)

// timeout limits every wait for something that must happen.
const timeout = 60 * time.Second

// A Suite is a Dialer and the targets to dial. A part of the suite whose address is empty has to be named in Without.
type Suite struct {
	Dialer proxy.Dialer
	// Without has the parts that the Dialer cannot pass, or that no target can show, each with its reason. Run fails
	// for a part that is neither run nor named, and for one other than EndReachesTarget that is named though it could run.
	Without map[Part]string
	// Stop ends the Dialer, with every connection and whatever it keeps between connections, and returns when all of it
	// has ended. Run calls it once, after the last part. Nil stands for a Dialer that keeps nothing but
	// what its first connection starts, which Run checks.
	Stop func()

	// Echo sends back what it gets, and ends its direction when the client's has ended, if that reaches it.
	Echo string
	// Late reads LateRequest, which may be empty, sends LateAnswer in several pieces over a second or more, and closes. It
	// waits for the end of the client's direction before it answers, unless EndReachesTarget is in Without.
	Late, LateRequest, LateAnswer string
	// Source sends SourceBytes bytes and closes.
	Source      string
	SourceBytes int64
	// Resets reads one byte and resets the connection.
	Resets string
	// Nothing listens at Refused; Unknown does not exist; NotReady exists and has nothing that could answer; Forbidden may
	// not be reached.
	Refused, Unknown, NotReady, Forbidden string
	// Hangs never answers a dial.
	Hangs string

	// Bytes is the size of the large transfers; default 16 MiB.
	Bytes int64
	// Parallel is the number of connections at once; default 50.
	Parallel int
}

// A Part is the name of one part of the suite.
type Part string

// The parts that a Suite may be Without. All others hold for every Dialer.
const (
	// EndReachesTarget is the half-close: the target sees the end of the client's direction, and can still answer.
	EndReachesTarget Part = "EndOfOneDirectionReachesTheTarget"
	// ResetIsReported requires that a reset by the target does not look like an orderly end.
	ResetIsReported     Part = "ResetIsNoOrderlyEnd"
	UnknownIsReported   Part = "UnknownIsNotFound"
	NotReadyIsReported  Part = "NotReadyIsEHOSTUNREACH"
	ForbiddenIsReported Part = "ForbiddenIsErrPermission"
	// DialsHang requires that a dial that gets no answer ends when its context is cancelled or times out.
	DialsHang Part = "DialThatHangsEndsWithItsContext"
)

// parts are the parts of the suite, in the order in which they run. need returns the addresses that a part requires.
var parts = []struct {
	name Part
	need func(Suite) []string
	test func(*testing.T, Suite)
}{
	{"LargeTransferBothWays", echo, largeBothWays},
	{"LargeTransferArrivesWithItsEnd", func(s Suite) []string { return []string{s.Source} }, largeSource},
	{"LateAnswerSurvivesTheClientsEnd", func(s Suite) []string { return []string{s.Late} }, lateAnswer},
	{"EndOfOneDirectionLosesNothing", echo, endLosesNothing},
	{EndReachesTarget, echo, endIsPassedOn},
	{ResetIsReported, func(s Suite) []string { return []string{s.Resets} }, reset},
	{"CloseUnblocksRead", echo, closeUnblocksRead},
	{"CloseTwiceIsHarmless", echo, closeTwice},
	{"ConnectionOutlivesTheContextOfItsDial", echo, outlivesDial},
	{"CancelledDialReturns", echo, cancelledDial},
	{DialsHang, func(s Suite) []string { return []string{s.Hangs} }, hanging},
	{"RefusedIsECONNREFUSED", func(s Suite) []string { return []string{s.Refused} }, refused},
	{UnknownIsReported, func(s Suite) []string { return []string{s.Unknown} }, unknown},
	{NotReadyIsReported, func(s Suite) []string { return []string{s.NotReady} }, notReady},
	{ForbiddenIsReported, func(s Suite) []string { return []string{s.Forbidden} }, forbidden},
	{"ManyAtOnce", echo, many},
	{"FailureHarmsNoOtherConnection", func(s Suite) []string { return []string{s.Echo, s.Refused} }, failureHarmsNone},
}

func echo(s Suite) []string { return []string{s.Echo} }

// optional are the parts that a Suite may be Without.
var optional = []Part{EndReachesTarget, ResetIsReported, UnknownIsReported, NotReadyIsReported, ForbiddenIsReported, DialsHang}

// Run tests the Dialer. It fails if a goroutine is left at the end that did not exist before the first connection. Without
// Stop it allows those that the first connection started, too.
func Run(t *testing.T, s Suite) {
	for _, fault := range s.problems() {
		t.Error(fault)
	}
	if t.Failed() {
		return
	}
	if s.Bytes == 0 {
		s.Bytes = 16 << 20
	}
	if s.Parallel == 0 {
		s.Parallel = 50
	}
	before := goleak.IgnoreCurrent()
	t.Run("FirstConnection", func(t *testing.T) { roundTrip(t, s) })
	if s.Stop == nil {
		before = goleak.IgnoreCurrent()
	}
	for _, p := range parts {
		if reason, without := s.Without[p.name]; without {
			t.Logf("without %s: %s", p.name, reason)
			continue
		}
		t.Run(string(p.name), func(t *testing.T) { p.test(t, s) })
	}
	if s.Stop != nil {
		s.Stop = sync.OnceFunc(s.Stop)
		t.Run("ClosedConnectionsLeaveNothing", func(t *testing.T) { closedLeaveNothing(t, s) })
		t.Run("StopEndsConnectionsAndDials", func(t *testing.T) { stopEndsAll(t, s) })
		s.Stop() // in case -run omitted that part
	}
	// Close of a connection returns before the other side has noticed it.
	err := goleak.Find(before)
	for deadline := time.Now().Add(timeout / 2); err != nil && time.Now().Before(deadline); {
		err = goleak.Find(before)
	}
	if err != nil {
		t.Error(err)
	}
}

// problems returns what is wrong with the Suite itself.
func (s Suite) problems() []string {
	var faults []string
	for part, reason := range s.Without {
		if !slices.Contains(optional, part) {
			faults = append(faults, fmt.Sprintf("Without names %s, which no Dialer may do without", part))
		}
		if reason == "" {
			faults = append(faults, fmt.Sprintf("Without gives no reason for %s", part))
		}
	}
	for _, p := range parts {
		_, without := s.Without[p.name]
		missing := slices.Contains(p.need(s), "")
		switch {
		case missing && !without:
			faults = append(faults, fmt.Sprintf("nothing to dial for %s, and it is not in Without", p.name))
		case !missing && without && p.name != EndReachesTarget:
			faults = append(faults, fmt.Sprintf("%s is in Without, and there is something to dial for it", p.name))
		}
	}
	return faults
}

// connect dials, and waits for the confirmation if there is one.
func connect(ctx context.Context, s Suite, address string) (net.Conn, error) {
	conn, err := s.Dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if u, ok := conn.(proxy.Unconfirmed); ok {
		if err := u.Opened(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("opened: %w", err)
		}
	}
	return conn, nil
}

// dial connects, and closes the connection when the test ends.
func dial(t *testing.T, s Suite, address string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	conn, err := connect(ctx, s, address)
	if err != nil {
		t.Fatalf("dial %s: %v", address, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, ok := conn.(interface{ CloseWrite() error }); !ok {
		t.Fatalf("%T has no CloseWrite", conn)
	}
	return conn
}

// dialError returns the error of a dial that must fail.
func dialError(t *testing.T, s Suite, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	conn, err := connect(ctx, s, address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, ok := conn.(proxy.Unconfirmed); ok {
		// A refusal after the connection was taken for open is an error of Read.
		if _, err := within(t, func() (int, error) { return conn.Read(make([]byte, 1)) }); !errors.Is(err, io.EOF) {
			return err
		}
	}
	t.Fatalf("dial %s succeeds", address)
	return nil
}

// within runs an operation on a connection that may have no deadlines, and fails the test if it takes too long.
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
	case <-time.After(timeout):
		t.Fatal("the operation does not end")
		panic("unreachable")
	}
}

func closeWrite(conn net.Conn) error { return conn.(interface{ CloseWrite() error }).CloseWrite() }
