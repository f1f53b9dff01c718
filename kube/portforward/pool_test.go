package portforward

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The API server's side may end unbound connections at any time.
func TestUnboundConnectionsThatEndedAreNoFailure(t *testing.T) {
	for range 3 {
		w := newWorld(t) // without sessions, which must not end
		f := w.forwarder(nil)
		eventually(t, "a connection to the API server waits", func() bool { return f.Stats().Unbound > 0 })
		w.server.CloseClientConnections()
		if _, err := request(t, f, at(7)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIdleSessionsAreClosedExceptTheLast(t *testing.T) {
	t.Parallel() // housekeeping takes seconds
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { c.Idle = 200 * time.Millisecond })
	var open []tunnel
	for range 10 {
		open = append(open, mustDial(t, f, 7))
	}
	for _, c := range open {
		echoes(t, c, "hello")
	}
	if st := f.Stats(); st.Sessions < 10 {
		t.Fatalf("%+v", st)
	}
	for _, c := range open {
		c.Close()
	}
	eventually(t, "idle sessions are closed", func() bool { st := f.Stats(); return st.Sessions <= minSpares })
	if st := f.Stats(); st.Sessions == 0 {
		t.Errorf("none is kept: %+v", st)
	}
}

// The rate limit of a kubeconfig's client, five requests a second, does not count for sessions.
func TestSessionsAreNotRateLimited(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { c.REST.QPS, c.REST.Burst = 0.1, 1 })
	start := time.Now()
	for i := range 12 {
		if _, err := request(t, f, []Endpoint{{Namespace: "ns", Pod: "pod", UID: fmt.Sprint(i), Port: 7}}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > time.Minute { // at that rate it would be two
		t.Errorf("12 sessions took %v", took)
	}
}

// An idle connection has no goroutine except its reader's, above the limit too.
func TestIdleConnectionsHaveNoGoroutinesOfTheirOwn(t *testing.T) {
	const idle, sessions = 60, 8
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { c.PerPod = sessions })
	var reading sync.WaitGroup
	defer reading.Wait()
	for range idle {
		c := mustDial(t, f, 7)
		defer c.Close()
		echoes(t, c, "hello")
		reading.Go(func() { c.Read(make([]byte, 1)) })
	}
	if st := f.Stats(); st.Sessions > sessions || st.Connections != idle {
		t.Errorf("%+v", st)
	}
	eventually(t, "nothing but readers is left", func() bool { return carrying() <= idle+sessions })
}

// carrying counts the goroutines that are inside the carrier.
func carrying() (n int) {
	b := make([]byte, 16<<20)
	for stack := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		inside := func(part string) bool { return strings.Contains(stack, "fairlead/kube/"+part) }
		if inside("spdy.(") || inside("portforward.(*conn") || inside("portforward.(*reader)") || inside("portforward.(*writer)") {
			n++
		}
	}
	return n
}
