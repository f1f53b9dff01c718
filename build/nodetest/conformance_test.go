//go:build node

package nodetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// The same scripts run against a real node with each version of containerd and against the streaming node, and what a
// client sees on the wire is compared event by event: the streaming node must behave like a real one.

// linger is how long a runtime keeps a connection after one direction of it has ended. The tests require at least half
// of it, which no delay on a busy machine can hide.
const (
	linger     = time.Second
	lingerHalf = linger / 2
)

// testPod is the environment of a script: a Pod and a session with it.
type testPod struct {
	*wire
	c   *clustertest.Cluster
	pod string
}

// outcome is the result of a script.
type outcome struct {
	events string
	text   string // the content of the error stream
	times  string
	waits  time.Duration // from the script's action to the end that it waits for
}

// script is one situation that a client may meet.
type script struct {
	name    string
	program string // the program in the Pod, on port 7000
	run     func(t *testing.T, s *testPod) outcome
	// old and new are the sequences of events that containerd 1.6 and 2.2 may produce; the streaming node may produce
	// both.
	old, new []string
	text     string        // a pattern of the content of the error stream
	waits    time.Duration // the least that outcome.waits may be
}

// How the two versions of containerd end a connection: the newer one resets it on an error.
var (
	refusedEnd = [2]string{"data fin, error text, error fin", "data fin, error text, error rst 5"}
	goneEnd    = [2]string{"error text, error fin, data fin", "error text, data rst 5, error rst 5"}
)

// podPrefix is the prefix of the names of the scripts' Pods, which distinguishes them from the fixtures.
const podPrefix = "wire-"

const (
	orderly  = "data bytes, data fin, error fin"
	openPort = 7000
	deafPort = 9999

	refusedText = `^error forwarding port \d+ to pod SANDBOX, uid : failed to execute portforward in network namespace "NETNS": ` +
		`failed to connect to localhost:\d+ inside namespace "SANDBOX", ` +
		`IPv4: dial tcp4 127\.0\.0\.1:\d+: connect: connection refused IPv6 dial tcp6.*$`
	resetText = `^error forwarding port \d+ to pod SANDBOX, uid : failed to execute portforward in network namespace "NETNS": ` +
		`.*read: connection reset by peer$`
	goneText = `^error forwarding port \d+ to pod SANDBOX, uid : ` +
		`(network namespace for sandbox "SANDBOX" is closed|failed to find sandbox "SANDBOX" in store: not found)$`
)

var scripts = []script{
	{
		name: "refused", program: "echo", old: []string{refusedEnd[0]}, new: []string{refusedEnd[1]}, text: refusedText,
		run: func(_ *testing.T, s *testPod) outcome { return s.end(s.open(deafPort, ""), time.Now()) },
	},
	{
		name: "refused-with-data", program: "echo", old: []string{refusedEnd[0]}, new: []string{refusedEnd[1]}, text: refusedText,
		run: func(_ *testing.T, s *testPod) outcome { return s.end(s.open(deafPort, "hello"), time.Now()) },
	},
	{
		name: "held-up-by-refusals-with-data", program: "echo", old: []string{"no reply"}, new: []string{"data bytes"}, text: "^$",
		run: unanswered,
	},
	{
		name: "closes-first", program: "closes-first", old: []string{orderly}, new: []string{orderly}, text: "^$", waits: lingerHalf,
		run: func(_ *testing.T, s *testPod) outcome { return s.end(s.open(openPort, ""), time.Now()) },
	},
	{
		name: "half-closed", program: "echo", old: []string{orderly}, new: []string{orderly}, text: "^$", waits: lingerHalf,
		run: func(_ *testing.T, s *testPod) outcome {
			p := s.open(openPort, "hello")
			began := time.Now()
			s.send(p, " there", true)
			return s.end(p, began)
		},
	},
	{
		name: "reset-in-the-pod", program: "resets", text: resetText, waits: lingerHalf,
		old: []string{refusedEnd[0]}, new: []string{refusedEnd[1]},
		run: func(_ *testing.T, s *testPod) outcome { return s.end(s.open(openPort, "hello"), time.Now()) },
	},
	{
		name: "never-reads", program: "never-reads", old: []string{""}, new: []string{""}, text: "^$",
		run: func(_ *testing.T, s *testPod) outcome {
			p := s.open(openPort, "hello")
			s.await(2*linger, func() bool { return p.ended() })
			return s.recorded(p, time.Now())
		},
	},
	{
		name: "never-reads-half-closed", program: "never-reads", text: "^$", waits: lingerHalf,
		old: []string{"data fin, error fin"}, new: []string{"data fin, error fin"},
		run: func(_ *testing.T, s *testPod) outcome {
			p := s.open(openPort, "hello")
			began := time.Now()
			s.send(p, " there", true)
			return s.end(p, began)
		},
	},
	{
		name: "killed", program: "echo", old: []string{orderly}, new: []string{orderly}, text: "^$", waits: lingerHalf,
		run: func(t *testing.T, s *testPod) outcome {
			p := s.echoed(t)
			began := time.Now()
			if err := s.c.KillContainer(t.Context(), "default/"+s.pod, ""); err != nil {
				t.Fatal(err)
			}
			return s.end(p, began)
		},
	},
	{
		// A grace period of a second, and then the linger.
		name: "deleted-while-open", program: "echo", old: []string{orderly}, new: []string{orderly}, text: "^$", waits: linger + lingerHalf,
		run: func(t *testing.T, s *testPod) outcome {
			p := s.echoed(t)
			began := time.Now()
			kubectl(t, s.c, "delete", "pod", s.pod, "--wait=false")
			return s.end(p, began)
		},
	},
	{
		name: "opened-after-the-end", program: "echo", old: []string{goneEnd[0]}, new: []string{goneEnd[1]}, text: goneText,
		run: openedAfterTheEnd,
	},
}

// unanswered opens a connection in a session in which connections were refused while bytes were in flight. Old runtimes
// then do not answer it, though they may answer pings.
func unanswered(t *testing.T, s *testPod) outcome {
	for range 3 {
		p := s.open(deafPort, "hello")
		s.await(linger/2, func() bool { return p.ended() })
	}
	p := s.open(openPort, "hello")
	s.await(2*linger, func() bool { return p.data.Len() > 0 })
	const pings = 5 // each is handled by another of the runtime's frame workers
	for id := range pings {
		s.ping(uint32(2*id + 1))
	}
	s.await(linger, func() bool { return s.pings == pings })
	s.mu.Lock()
	t.Logf("answered %d of %d pings", s.pings, pings)
	s.mu.Unlock()
	return s.recorded(p, time.Now())
}

// openedAfterTheEnd opens connections in the session of a Pod that is being deleted, until the network is gone for one.
// Earlier ones must have been accepted, refused or not answered, in this order.
func openedAfterTheEnd(t *testing.T, s *testPod) outcome {
	s.echoed(t)
	kubectl(t, s.c, "delete", "pod", s.pod, "--wait=false")
	steps := []string{"accepted", "refused", "unanswered", "gone"}
	step := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		p := s.open(openPort, "")
		now := "accepted"
		if s.await(100*time.Millisecond, func() bool { return p.ended() }) {
			switch o := s.recorded(p, time.Now()); {
			case regexp.MustCompile(goneText).MatchString(o.text):
				s.ping(1)
				if !s.await(5*time.Second, func() bool { return s.pings > 0 }) {
					return outcome{events: "no answer to a ping"}
				}
				return s.recorded(p, time.Now())
			case regexp.MustCompile(refusedText).MatchString(o.text):
				now = "refused"
			default:
				t.Errorf("a connection to a Pod that ends: %s; %q", o.events, o.text)
			}
		} else if steps[step] != "accepted" {
			now = "unanswered"
		}
		next := slices.Index(steps, now)
		if next < step {
			t.Errorf("connections to a Pod that ends are %s after they were %s", now, steps[step])
		}
		step = next
	}
	return outcome{events: "the network never goes"}
}

// echoed opens a connection and waits for an echo from its program.
func (s *testPod) echoed(t *testing.T) *pair {
	t.Helper()
	p := s.open(openPort, "hello")
	if !s.await(10*time.Second, func() bool { return p.data.String() == "hello" }) {
		t.Fatal("no echo")
	}
	return p
}

// end waits until a pair has ended.
func (s *testPod) end(p *pair, began time.Time) outcome {
	if !s.await(20*time.Second, func() bool { return p.ended() }) {
		o := s.recorded(p, began)
		o.events += ", and no end"
		return o
	}
	return s.recorded(p, began)
}

// ended reports whether both streams have ended. The caller must hold the wire's lock.
func (p *pair) ended() bool {
	ended := func(kind string) bool {
		return slices.ContainsFunc(p.events, func(e event) bool {
			return e.what == kind+" fin" || strings.HasPrefix(e.what, kind+" rst") || e.what == "session ends"
		})
	}
	return ended("error") && ended("data") && p.has("error reply") && p.has("data reply")
}

// recorded returns the events on a pair so far, without the replies: on real nodes they come in any order, and sometimes
// after the end of their stream.
func (s *testPod) recorded(p *pair, began time.Time) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events, times []string
	var end time.Duration
	for _, e := range p.events {
		times = append(times, fmt.Sprintf("%s %.1f ms", e.what, float64(e.at.Microseconds())/1000))
		end = e.at
		if !strings.HasSuffix(e.what, " reply") {
			events = append(events, e.what)
		}
	}
	if !p.has("error reply") || !p.has("data reply") {
		events = append([]string{"no reply"}, events...)
	}
	return outcome{
		events: strings.Join(events, ", "), text: normal(p.text.String()), times: strings.Join(times, ", "),
		waits: p.opened.Add(end).Sub(began),
	}
}

func TestNodesAgreeOnTheWire(t *testing.T) {
	for _, node := range []struct {
		name    string
		start   func(t *testing.T) *clustertest.Cluster
		allowed func(script) []string
	}{
		{
			"containerd-1.6", func(t *testing.T) *clustertest.Cluster { return sharedCluster(t, clustertest.Containerd16) },
			func(s script) []string { return s.old },
		},
		{
			"containerd-2.2", func(t *testing.T) *clustertest.Cluster { return sharedCluster(t, clustertest.Containerd22) },
			func(s script) []string { return s.new },
		},
		{
			"streaming", func(t *testing.T) *clustertest.Cluster {
				return clustertest.Start(t, clustertest.Options{NoFixtures: true, Log: t.Output()})
			},
			func(s script) []string { return append(slices.Clone(s.old), s.new...) },
		},
	} {
		t.Run(node.name, func(t *testing.T) {
			c := node.start(t)
			var pods []string
			for _, s := range scripts {
				pods = append(pods, podOf(s))
			}
			apply(t, c, strings.Join(pods, "\n---\n"))
			for _, s := range scripts {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					kubectl(t, c, "wait", "--for=condition=Ready", "--timeout=60s", "pod/"+podPrefix+s.name)
					o := s.run(t, &testPod{wire: dialWire(t, c, podPrefix+s.name), c: c, pod: podPrefix + s.name})
					t.Logf("%s\n%q", o.times, o.text)
					if allowed := node.allowed(s); !slices.Contains(allowed, o.events) {
						t.Errorf("came: %q\nwant one of: %q", o.events, allowed)
					}
					if !regexp.MustCompile(s.text).MatchString(o.text) {
						t.Errorf("text: %q\nwant: %s", o.text, s.text)
					}
					if s.waits > 0 && o.waits < s.waits {
						t.Errorf("the end came after %v, sooner than %v", o.waits, s.waits)
					}
				})
			}
		})
	}
}

// podOf returns the name of a script's Pod.
func podOf(s script) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %[1]s%[2]s}, spec: {terminationGracePeriodSeconds: 1,
		containers: [{name: main, image: "demo.local/%[3]s:1", imagePullPolicy: Never, ports: [{containerPort: %[4]d}],
			startupProbe: {tcpSocket: {port: %[4]d}, periodSeconds: 1},
			env: [{name: PORTS, value: "%[4]d"}]}]}}`, podPrefix, s.name, s.program, openPort)
}
