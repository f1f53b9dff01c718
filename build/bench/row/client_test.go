package row

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/way"
)

// startFar runs a far side until the test ends, and returns its ports.
func startFar(t *testing.T) far.Ports {
	t.Helper()
	certificate, err := far.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	side, err := far.Listen("127.0.0.1:1", certificate)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- side.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return side.Ports
}

// direct returns plain TCP to a far side that the test starts.
func direct(t *testing.T) way.Way {
	t.Helper()
	w, err := way.TCP{}.Open(t.Context(), way.Site{Host: "127.0.0.1", Ports: startFar(t)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestClientsSeeAHalfCloseThatIsPassedOn(t *testing.T) {
	w := direct(t)
	if lines, err := lateLines(t.Context(), w, way.Target{}); err != nil || lines != far.Lines {
		t.Errorf("%g late lines, %v", lines, err)
	}
	if seconds, err := echoedWhole(t.Context(), w, way.Target{}); err != nil || seconds < 0 {
		t.Errorf("echoed whole in %g s, %v", seconds, err)
	}
	if seconds, err := endAfterFIN(t.Context(), w, way.Target{}); err != nil || seconds < 0 {
		t.Errorf("the end after %g s, %v", seconds, err)
	}
}

func TestRequestsAndEchoesAreCounted(t *testing.T) {
	w := direct(t)
	if err := askTimes(t.Context(), w, way.Target{}, 3); err != nil {
		t.Error(err)
	}
	if rate, err := requestRate(t.Context(), w, way.Target{}, 500*time.Millisecond); err != nil || rate <= 0 {
		t.Errorf("%g requests a second, %v", rate, err)
	}
	conns, err := connectAll(t.Context(), w, way.Target{}, 25)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(conns)
	conns[3].Close()
	conns[7].Close()
	if alive := countAlive(conns); alive != 23 {
		t.Errorf("%d of 25 alive, with two closed", alive)
	}
}

func TestTransfersMoveBothWays(t *testing.T) {
	w := direct(t)
	for _, program := range []far.Program{far.Source, far.Sink} {
		bulk := transfer{program: program, conns: 3, ramp: time.Millisecond, window: time.Second}
		if m, err := bulk.run(t.Context(), w); err != nil || m.bytes == 0 {
			t.Errorf("%c: %d bytes, %v", program, m.bytes, err)
		}
	}
}

// through is a way whose connections behave as the test defines.
type through struct {
	opened
	serve func(net.Conn)
}

func (w through) Dial(context.Context, way.Target) (net.Conn, error) {
	near, there := net.Pipe()
	go w.serve(there)
	return near, nil
}

func TestAConnectionThatEndsIsARefusalAndAnAnswerIsNot(t *testing.T) {
	gone := through{serve: func(c net.Conn) { _, _ = c.Read(make([]byte, 5)); c.Close() }}
	if took, err := refusal(t.Context(), gone, way.Target{}); err != nil || took <= 0 {
		t.Errorf("a connection that ends: %s, %v", took, err)
	}
	answers := through{serve: func(c net.Conn) { _, _ = io.CopyN(c, c, 5); c.Close() }}
	if took, err := refusal(t.Context(), answers, way.Target{}); err == nil {
		t.Errorf("an answer counts as a refusal after %s", took)
	}
	dead := opened{}
	if _, err := refusal(t.Context(), dead, way.Target{}); err == nil || errors.As(err, new(*way.Refused)) {
		t.Errorf("a way that is gone: %v", err)
	}
}

func TestWrongAnswersAreErrors(t *testing.T) {
	short := through{serve: func(c net.Conn) {
		_, _ = c.Read(make([]byte, 100))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		c.Close()
	}}
	if took, err := ask(t.Context(), short, way.Target{}); err == nil {
		t.Errorf("half an answer counts, after %s", took)
	}
	garbled := through{serve: func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 6))
		_, _ = io.WriteString(c, "jello")
		c.Close()
	}}
	if _, err := connectAll(t.Context(), garbled, way.Target{}, 1); err == nil {
		t.Error("a wrong echo is taken for one")
	}
}
