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

// A line is a way to the API server with a round trip of its own. It can be cut in silence: bytes vanish and nobody is
// told.
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
			r.far.Close()  // the end
			r.near.Close() // the end
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

// dial is for rest.Config's Dial.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.dials.Add(1)
	far, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(l.rtt):
	case <-ctx.Done():
		far.Close() // of no more use
		return nil, ctx.Err()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close() // the end
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

// carry moves bytes from one side to the other, each half a round trip late.
func (l *line) carry(r *relay, from, to net.Conn) {
	defer l.working.Done()
	way := make(chan parcel, 4096)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p := range way {
			time.Sleep(time.Until(p.due))
			if !r.dead.Load() {
				to.Write(p.bytes) // then nobody is there to be told
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
		to.Close() // the end
	}
}

// cut makes every connection that there is fall silent. New ones work.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.relays {
		r.dead.Store(true)
	}
}

// request dials, sends a word as the proxy's client would after it was answered, and gives the time to its echo.
func request(t *testing.T, f *Forwarder, endpoints []Endpoint) (took time.Duration, err error) {
	start := time.Now()
	c, err := dial(t, f, endpoints)
	if err != nil {
		return time.Since(start), err
	}
	defer c.Close() // always nil
	if _, err := io.WriteString(c, "hello"); err != nil {
		return 0, err
	}
	_, err = io.ReadFull(c, make([]byte, 5))
	return time.Since(start), err
}

const slow = time.Second // a machine that does other work needs a while for itself

// within wants what try does to take so many round trips, at its best: a busy machine makes it slower, and never faster.
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
		port++ // a refusal that is known is told at once
		start := time.Now()
		if _, err := dial(t, f, at(port)); err == nil {
			return 0, errors.New("there is none")
		}
		return time.Since(start), nil
	})
}

func TestBurstSharesRatherThanWaits(t *testing.T) {
	t.Parallel()
	const r = time.Second // thirty-two under a race detector need a while for themselves
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

// Connections to a target of which nothing is known do not share a session, until it has answered. Those that wait for a
// session then share those there are, rather than wait for each to be dialled.
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

// What waits for a session to ask what has just been refused is told so.
func TestBurstAtARefusedPortIsToldOnce(t *testing.T) {
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
		t.Errorf("the port was asked for %d times", asked)
	}
}

// A program that greets is heard although the client says nothing, and although the session that was at hand is dead:
// nothing was written, so it is dialled anew.
func TestDeadSessionIsReplacedWhileNothingWasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(21, func(c net.Conn) { io.WriteString(c, "220 hello\n"); io.Copy(io.Discard, c) }) // seen by the client
	l := newLine(t, 0)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	first := mustDial(t, f, 21)
	io.ReadFull(first, make([]byte, 10)) // seen below
	first.Close()                        // always nil
	l.cut()
	start := time.Now()
	c := mustDial(t, f, 21)
	defer c.Close() // always nil
	b := make([]byte, 10)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "220 hello\n" {
		t.Fatalf("%q, %v", b, err)
	}
	t.Logf("greeted after %v", time.Since(start))
}

// What was written may have been seen: the connection ends, and nothing is sent twice.
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
			c.Write(b) // seen by the client
		}
	})
	l := newLine(t, 0)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	if _, err := request(t, f, at(8)); err != nil {
		t.Fatal(err)
	}
	l.cut()
	c := mustDial(t, f, 8)
	defer c.Close()                   // always nil
	io.WriteString(c, "hello")        // seen by the reader
	_, err := c.Read(make([]byte, 5)) // ends without the TCP timeouts of minutes
	if err == nil || got.Load() != 1 {
		t.Fatalf("%v, and the program got %d requests", err, got.Load())
	}
	// Meanwhile others were given live sessions.
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
		select {
		case <-s.Done():
		case <-time.After(60 * time.Second):
			t.Fatal("a dead session is kept")
		}
	}
}

// Who waits for an API server that accepts connections and says nothing is told so, by that name.
func TestAnAPIServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the system accepts for it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() }) // the end
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

// A connection to the API server that waited for a use may have died in silence: another one is made.
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
	eventually(t, "it is doubted that the API server answers", func() bool { return doubts.Load() > 0 })
}
