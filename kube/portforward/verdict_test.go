package portforward

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/kube/fault"
)

// Runtimes end the data stream before they send the reason.
func TestAReasonThatComesAfterTheEndOfTheDataCounts(t *testing.T) {
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		for _, early := range []string{"", "early"} {
			w := newWorld(t)
			w.hesitate = 100 * time.Millisecond
			f := w.forwarder(func(c *Config) { c.Protocol = protocol })
			raw, err := f.Dial(t.Context(), at(9), nil)
			if err != nil {
				t.Fatal(err)
			}
			c := raw.(tunnel)
			if _, err := io.WriteString(c, early); err != nil {
				t.Fatal(err)
			}
			if _, ok := errors.AsType[*fault.Refused](c.Opened(t.Context())); !ok {
				t.Errorf("%s, %q: no refusal", protocol, early)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s, %q: Read returns %d, %v", protocol, early, n, err)
			}
			_ = c.Close()
		}
	}
}

// A target that is taken for connected and then refuses is reset, and does not end in order.
func TestALateRefusalIsNoOrderlyEnd(t *testing.T) {
	w := newWorld(t)
	w.hesitate = 50 * time.Millisecond
	f := w.forwarder(nil)
	f.pool.targets.markAnswered(&at(9)[0], true, time.Now())
	c := mustDial(t, f, 9)
	defer c.Close()
	if got, err := io.ReadAll(c); len(got) > 0 || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%q, %v", got, err)
	}
	if f.pool.targets.proven(at(9)[0], time.Now()) {
		t.Error("the port is still proven")
	}
}

func TestAProgramThatEndsFirstEndsInOrder(t *testing.T) {
	w := newWorld(t)
	w.hesitate = 50 * time.Millisecond
	w.program(1, func(c net.Conn) { io.WriteString(c, "bye"); c.Close() })
	w.program(2, func(c net.Conn) { c.Close() })
	f := w.forwarder(nil)
	for port, want := range map[int]string{1: "bye", 2: ""} {
		c := mustDial(t, f, port)
		if got, err := io.ReadAll(c); string(got) != want || err != nil {
			t.Errorf("port %d: %q, %v", port, got, err)
		}
		_ = c.Close()
	}
}

func TestAResetInThePodIsAReset(t *testing.T) {
	w := newWorld(t)
	w.program(1, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 5)) // so that there is something to reset
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	f := w.forwarder(nil)
	c := mustDial(t, f, 1)
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", got, err)
	}
}

// Bytes that reach a runtime for a stream that it has refused can hold up every fifth stream of their session.
func TestASessionIsNotUsedAgainAfterARefusalWithBytesUnderWay(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(patient)
	mustDial(t, f, 7).Close() // so that there is a session
	for i, early := range []string{"", "early"} {
		before := f.Stats().Retired
		raw, err := f.Dial(t.Context(), at(100+i), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := raw.(tunnel)
		if _, err := io.WriteString(c, early); err != nil {
			t.Fatal(err)
		}
		if err := c.Opened(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%q: %v", early, err)
		}
		_ = c.Close()
		if retired := f.Stats().Retired - before; retired != len(early)/len("early") {
			t.Errorf("%q: %d sessions are not used again", early, retired)
		}
	}
}

// The client leaves before the runtime refuses. Its bytes were on their way even so.
func TestASessionIsNotUsedAgainAfterARefusalThatCameTooLate(t *testing.T) {
	w := newWorld(t)
	w.hesitate = 200 * time.Millisecond
	f := w.forwarder(nil)
	f.pool.targets.markAnswered(&at(9)[0], true, time.Now())
	c := mustDial(t, f, 9)
	if _, err := io.WriteString(c, "early"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	eventually(t, "the session is not used again", func() bool { return f.Stats().Retired == 1 })
}

// A runtime that ends the data of a connection and does not send the reason may have lost a worker.
func TestASessionIsNotUsedAgainThatOwesAVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hesitate = minResponseTimeout + 3*time.Second
	w.program(8, func(net.Conn) {}) // ends at once
	f := w.forwarder(nil)
	raw, err := f.Dial(t.Context(), at(8), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	go raw.Read(make([]byte, 1)) // goes on to another session
	eventually(t, "the session is not used again", func() bool { return f.Stats().Retired > 0 })
}

func TestWhatOnePodProvesHoldsForTheOthersOfItsService(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { c.Grace = time.Minute })
	behind := func(pod, service string) []Endpoint {
		return []Endpoint{{Namespace: "ns", Pod: pod, UID: pod, Port: 7, Service: service}}
	}
	raw, err := f.Dial(t.Context(), behind("a", "web:80"), nil)
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, raw, "hello")
	defer raw.Close()
	if c, err := dial(t, f, behind("b", "web:80")); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
	for _, ep := range [][]Endpoint{behind("b", ""), behind("b", "other:80")} {
		if f.pool.targets.proven(ep[0], time.Now()) {
			t.Errorf("%v is proven", ep)
		}
	}
}

// A node may only be busy. The connections of a session that accepts a stream late are not cut for that.
func TestASessionThatAcceptsLateIsNotDoubted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := make(chan struct{})
	w.program(8, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 5)) // takes the request
		<-answer
		io.WriteString(c, "hello")
		io.Copy(io.Discard, c)
	})
	w.program(9, func(c net.Conn) { io.Copy(io.Discard, c) })
	w.program(10, func(c net.Conn) { io.Copy(c, c) })
	release := w.hold(9)
	f := w.forwarder(func(c *Config) { c.PerPod = 1 })
	slow := mustDial(t, f, 8)
	defer slow.Close()
	if _, err := io.WriteString(slow, "hello"); err != nil {
		t.Fatal(err)
	}
	held, err := f.Dial(t.Context(), at(9), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for range 2 {
		if _, err := io.WriteString(held, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	// A worker handles every fifth stream. A connection has two, and goes elsewhere if one is not accepted.
	var dials sync.WaitGroup
	for range 5 {
		dials.Go(func() {
			conn, err := dial(t, f, at(10))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "hello"); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "a connection goes elsewhere", func() bool { return f.Stats().Redialled > 0 })
	release()
	dials.Wait()
	time.AfterFunc(jammedAfter(0, 0)+time.Second/2, func() { close(answer) })
	if _, err := io.ReadFull(slow, make([]byte, 5)); err != nil {
		t.Error(err)
	}
}

func TestABusyRuntimeIsGivenMoreTimeToAccept(t *testing.T) {
	for _, c := range []struct{ rtt, proving, want time.Duration }{
		{0, time.Millisecond, 2 * time.Second},
		{40 * time.Millisecond, 50 * time.Millisecond, 2 * time.Second},
		{time.Second, time.Second, maxAcceptTime},
		{0, 300 * time.Millisecond, 3 * time.Second},
		{0, time.Minute, maxAcceptTime},
	} {
		if got := jammedAfter(c.rtt, c.proving); got != c.want {
			t.Errorf("round trip %v, answer after %v: %v, want %v", c.rtt, c.proving, got, c.want)
		}
	}
}
