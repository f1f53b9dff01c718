package portforward

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/kube/fault"
)

// Below the limit, a connection whose client stopped reading and one whose program never reads delay no other
// connection.
func TestStalledConnectionsHoldOnlyThemselves(t *testing.T) {
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t)
			var sourced atomic.Int64
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			w.program(1, func(c net.Conn) {
				b := make([]byte, 64<<10)
				for range 500 << 20 / len(b) {
					n, err := c.Write(b)
					sourced.Add(int64(n))
					if err != nil {
						return
					}
				}
			})
			w.program(2, func(net.Conn) { <-release })
			f := w.forwarder(func(c *Config) { c.Protocol = protocol })

			stalled := mustDial(t, f, 1)
			defer stalled.Close()
			if _, err := io.ReadFull(stalled, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			stuck := mustDial(t, f, 2)
			var uploaded atomic.Int64
			var uploading sync.WaitGroup
			uploading.Go(func() {
				b := make([]byte, 64<<10)
				for {
					n, err := stuck.Write(b)
					uploaded.Add(int64(n))
					if err != nil {
						return
					}
				}
			})
			still(t, &sourced)
			still(t, &uploaded)

			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					c, err := dial(t, f, at(7))
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					c.SetReadDeadline(time.Now().Add(30 * time.Second))
					b := make([]byte, 1000)
					for range 50 {
						if _, err := c.Write(b); err != nil {
							t.Error(err)
							return
						}
						if _, err := io.ReadFull(c, b); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			// Closing the stuck connection frees its writer, although the other end does not read.
			stuck.Close()
			uploading.Wait()
			if n := sourced.Load(); n >= 500<<20 {
				t.Errorf("the stalled download was not stalled: %d bytes", n)
			}
		})
	}
}

// still waits until a count stops growing: the transfer that it counts is blocked.
func still(t *testing.T, n *atomic.Int64) {
	t.Helper()
	last, since := int64(-1), time.Now()
	eventually(t, "the transfer blocks", func() bool {
		if now := n.Load(); now != last {
			last, since = now, time.Now()
		}
		return last > 0 && time.Since(since) > time.Second
	})
}

func TestConnectionsAboveTheCapShare(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { patient(c); c.PerPod = 2 })
	var open []tunnel
	for range 20 {
		c := mustDial(t, f, 7)
		defer c.Close()
		echoes(t, c, "first")
		open = append(open, c)
	}
	for _, c := range open {
		echoes(t, c, "hello")
	}
	if st := f.Stats(); st.Sessions > 2 || st.Connections != 20 || st.Shared < 18 {
		t.Errorf("%+v", st)
	}
	// A refusal on a shared session concerns no other connection.
	if _, err := dial(t, f, at(99)); err == nil {
		t.Error("no refusal")
	}
	for _, c := range open {
		echoes(t, c, "still here")
	}
}

func TestContextCapCountsAllPods(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(func(c *Config) { c.PerPod, c.PerContext = 3, 5 })
	for i := range 10 {
		ep := Endpoint{Namespace: "ns", Pod: "pod", UID: string(rune('a' + i)), Port: 7}
		c, err := dial(t, f, []Endpoint{ep})
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, c, "hello")
		c.Close()
		if st := f.Stats(); st.Sessions > 5 {
			t.Fatalf("%+v", st)
		}
	}
}

// Ten downloads that their clients cancel do not harm later requests.
func TestCancelledDownloadsLeaveNothingBehind(t *testing.T) {
	w := newWorld(t)
	w.program(1, func(c net.Conn) { io.CopyN(c, zeros{}, 32<<20) }) // cancelled
	f := w.forwarder(nil)
	for range 10 {
		c := mustDial(t, f, 1)
		if _, err := io.ReadFull(c, make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	for range 100 {
		if _, err := request(t, f, at(7)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all sessions are idle", func() bool { st := f.Stats(); return st.Connections == 0 && st.Idle == st.Sessions })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A refused port ends no other connection, on a session of its own or on a shared one.
func TestARefusedPortLeavesAHundredOthersAlone(t *testing.T) {
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t)
			f := w.forwarder(func(c *Config) { patient(c); c.Protocol, c.PerPod = protocol, 8 })
			var open []tunnel
			for range 100 {
				c := mustDial(t, f, 7)
				defer c.Close()
				echoes(t, c, "hello")
				open = append(open, c)
			}
			for port := 100; port < 110; port++ { // each for the first time, so that no refusal is a remembered one
				_, err := dial(t, f, at(port))
				if refused, ok := errors.AsType[*fault.Refused](err); !ok || refused.Port != port {
					t.Errorf("port %d: %v", port, err)
				}
			}
			for _, c := range open {
				echoes(t, c, "still here")
			}
		})
	}
}

// Below the limit no connection shares a session with a download that fills it, although this Pod is far enough away
// for connections of a burst to share.
func TestNoConnectionSharesWithADownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(1, func(c net.Conn) {
		b := make([]byte, 64<<10)
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	l := newLine(t, 5*nearRoundTrip)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	download := mustDial(t, f, 1)
	var received atomic.Int64
	var reading sync.WaitGroup
	reading.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := download.Read(b)
			if received.Add(int64(n)); err != nil {
				return
			}
		}
	})
	defer reading.Wait()
	defer download.Close()
	eventually(t, "the download is under way", func() bool { return received.Load() > 1<<20 })
	for range 10 {
		c := mustDial(t, f, 7)
		defer c.Close()
		echoes(t, c, "hello")
	}
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	for _, p := range f.pool.pods {
		for _, s := range p.sessions {
			if st := s.State(); s.users > 1 && st.Received > bulkTransfer {
				t.Errorf("%d connections share the download's session", s.users)
			}
		}
	}
}
