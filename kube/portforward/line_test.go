package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"fairlead/kube/fault"
)

// A line is a route to the API server with a round trip of its own. It can be cut in silence: bytes are lost, and
// neither end notices.
type line struct {
	rtt     time.Duration
	dials   atomic.Int32
	mu      sync.Mutex
	relays  []*relay
	working sync.WaitGroup
}

func newLine(t *testing.T, rtt time.Duration) *line {
	l := &line{rtt: rtt}
	t.Cleanup(func() {
		l.mu.Lock()
		for _, r := range l.relays {
			r.far.Close()
			r.near.Close()
		}
		l.mu.Unlock()
		l.working.Wait()
	})
	return l
}

type relay struct {
	near, far net.Conn // of the client's side and the server's
	dead      atomic.Bool
}

// dial is for Dial of rest.Config.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.dials.Add(1)
	far, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(l.rtt):
	case <-ctx.Done():
		far.Close()
		return nil, ctx.Err()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil, err
	}
	near, err := ln.Accept()
	if err != nil {
		return nil, err
	}
	r := &relay{near: near, far: far}
	l.mu.Lock()
	l.relays = append(l.relays, r)
	l.mu.Unlock()
	l.working.Add(2)
	go l.carry(r, near, far)
	go l.carry(r, far, near)
	return client, nil
}

type parcel struct {
	bytes []byte
	due   time.Time
}

// carry copies bytes from one side to the other, each half a round trip late.
func (l *line) carry(r *relay, from, to net.Conn) {
	defer l.working.Done()
	way := make(chan parcel, 4096)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p := range way {
			time.Sleep(time.Until(p.due))
			if !r.dead.Load() {
				_, _ = to.Write(p.bytes)
			}
		}
	}()
	for {
		b := make([]byte, 16<<10)
		n, err := from.Read(b)
		if n > 0 {
			way <- parcel{b[:n], time.Now().Add(l.rtt / 2)}
		}
		if err != nil {
			break
		}
	}
	close(way)
	<-done
	if !r.dead.Load() {
		to.Close()
	}
}

// cut silences every open connection. New ones work.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.relays {
		r.dead.Store(true)
	}
}

// request dials, sends a word once the connection is confirmed, as the proxy's client does, and returns the time to its
// echo.
func request(t *testing.T, f *Forwarder, endpoints []Endpoint) (took time.Duration, err error) {
	start := time.Now()
	c, err := dial(t, f, endpoints)
	if err != nil {
		return time.Since(start), err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		return 0, err
	}
	_, err = io.ReadFull(c, make([]byte, 5))
	return time.Since(start), err
}

const slow = time.Second // what a busy machine takes longer

// within expects try to take so many round trips in its best run: a busy machine makes it slower, and never faster.
func within(t *testing.T, what string, rtt time.Duration, trips int, try func() (time.Duration, error)) {
	t.Helper()
	var took time.Duration
	for range 8 {
		var err error
		if took, err = try(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if took < rtt*time.Duration(trips) {
			t.Fatalf("%s takes %v, less than it can", what, took)
		}
		if took < rtt*time.Duration(trips+1) {
			return
		}
	}
	t.Errorf("%s takes %v, %.1f round trips", what, took, float64(took)/float64(rtt))
}

func TestWarmConnectionTakesOneRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLine(t, slow)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	// The upgrade, the confirmation, the request: no round trip for TCP and TLS.
	pods := 0
	within(t, "the first connection", slow, 3, func() (time.Duration, error) {
		eventually(t, "a connection to the API server waits", func() bool { return f.Stats().Unbound > 0 })
		pods++
		return request(t, f, []Endpoint{{Namespace: "ns", Pod: "pod", UID: fmt.Sprint(pods), Port: 7}})
	})
	if _, err := request(t, f, at(7)); err != nil {
		t.Fatal(err)
	}
	within(t, "a warm connection", slow, 1, func() (time.Duration, error) { return request(t, f, at(7)) })
	port := 99
	within(t, "a refusal", slow, 1, func() (time.Duration, error) {
		port++ // a remembered refusal is returned at once
		start := time.Now()
		if _, err := dial(t, f, at(port)); err == nil {
			return 0, errors.New("there is none")
		}
		return time.Since(start), nil
	})
}

func TestBurstSharesRatherThanWaits(t *testing.T) {
	t.Parallel()
	const r = time.Second // long, because 32 connections are slow with the race detector
	within(t, "the last of a burst", r, 1, func() (time.Duration, error) {
		w := newWorld(t)
		l := newLine(t, r)
		f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
		if _, err := request(t, f, at(7)); err != nil {
			return 0, err
		}
		start := time.Now()
		var burst errgroup.Group
		for range 32 {
			burst.Go(func() error { _, err := request(t, f, at(7)); return err })
		}
		err := burst.Wait()
		took := time.Since(start)
		if st := f.Stats(); st.Shared == 0 || st.Sessions > 32 {
			t.Errorf("%+v", st)
		}
		return took, err
	})
}

// Connections to an unknown target do not share a session before it has answered. Those that wait for a session then
// share the ones there are, and do not wait for a dial each.
func TestFirstBurstSharesOnceItsTargetHasAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLine(t, 100*time.Millisecond)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	var burst errgroup.Group
	for range 64 {
		burst.Go(func() error { _, err := request(t, f, at(7)); return err })
	}
	if err := burst.Wait(); err != nil {
		t.Error(err)
	}
	if st := f.Stats(); st.Shared < 32 {
		t.Errorf("%+v", st)
	}
}

// Connections that wait for a session to a port that has just refused one get that refusal.
func TestABurstToARefusedPortRequestsItOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLine(t, 100*time.Millisecond)
	f := w.forwarder(func(c *Config) { c.REST.Dial, c.Grace = l.dial, 2*time.Second })
	var burst errgroup.Group
	for range 64 {
		burst.Go(func() error {
			if _, err := dial(t, f, at(9)); !errors.Is(err, syscall.ECONNREFUSED) {
				return fmt.Errorf("no refusal: %w", err)
			}
			return nil
		})
	}
	if err := burst.Wait(); err != nil {
		t.Error(err)
	}
	if asked := f.pool.requests.Load(); asked > 16 {
		t.Errorf("the port was requested %d times", asked)
	}
}

// A program that greets is heard although the client writes nothing and the idle session was dead: nothing was written,
// so the connection is dialled again.
func TestDeadSessionIsReplacedWhileNothingWasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(21, func(c net.Conn) { io.WriteString(c, "220 hello\n"); io.Copy(io.Discard, c) })
	l := newLine(t, 0)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	first := mustDial(t, f, 21)
	io.ReadFull(first, make([]byte, 10))
	first.Close()
	l.cut()
	start := time.Now()
	c := mustDial(t, f, 21)
	defer c.Close()
	b := make([]byte, 10)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "220 hello\n" {
		t.Fatalf("%q, %v", b, err)
	}
	t.Logf("greeted after %v", time.Since(start))
}

// A program may have seen what was written, so the connection ends, and nothing is sent twice.
func TestDeadSessionEndsWhatWasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got atomic.Int32
	w.program(8, func(c net.Conn) {
		b := make([]byte, 5)
		for {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			got.Add(1)
			c.Write(b)
		}
	})
	l := newLine(t, 0)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	if _, err := request(t, f, at(8)); err != nil {
		t.Fatal(err)
	}
	l.cut()
	c := mustDial(t, f, 8)
	defer c.Close()
	io.WriteString(c, "hello")
	_, err := c.Read(make([]byte, 5)) // ends without waiting for TCP's timeouts, which take minutes
	if err == nil || got.Load() != 1 {
		t.Fatalf("%v, and the program got %d requests", err, got.Load())
	}
	// Meanwhile other connections got live sessions.
	if _, err := request(t, f, at(8)); err != nil {
		t.Fatal(err)
	}
}

func TestIdleSessionsThatDiedInSilenceAreNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLine(t, 0)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	if _, err := request(t, f, at(7)); err != nil {
		t.Fatal(err)
	}
	f.pool.mu.Lock()
	var before []*session
	for _, p := range f.pool.pods {
		before = append(before, p.sessions...)
	}
	f.pool.mu.Unlock()
	l.cut()
	for _, s := range before {
		for end := time.Now().Add(60 * time.Second); s.Err() == nil; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("a dead session is kept")
			}
		}
	}
}

// The error of a dial to an API server that accepts connections and answers nothing names the server.
func TestAnAPIServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts its connections
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var doubts atomic.Int32
	f, err := New(Config{REST: &rest.Config{Host: "https://" + ln.Addr().String()}, Doubt: func() { doubts.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	run(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = f.Dial(ctx, at(7), nil)
	away, ok := errors.AsType[*fault.Unreachable](err)
	if !ok || away.Server != ln.Addr().String() || !errors.Is(err, syscall.ETIMEDOUT) || doubts.Load() == 0 {
		t.Errorf("%v, with %d doubts", err, doubts.Load())
	}
}

// An unbound connection to the API server may have died in silence. It is replaced.
func TestSpareConnectionThatDiedInSilenceIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLine(t, 0)
	var doubts atomic.Int32
	f := w.forwarder(func(c *Config) { c.REST.Dial, c.Doubt = l.dial, func() { doubts.Add(1) } })
	eventually(t, "connections to the API server wait", func() bool { return f.Stats().Unbound == maxUnbound })
	l.cut()
	if _, err := request(t, f, at(7)); err != nil {
		t.Error(err)
	}
	eventually(t, "Doubt is called", func() bool { return doubts.Load() > 0 })
}
