package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/kube/carrier"
)

func TestAPodThatIsWithdrawnKeepsNoSessionForLater(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	open := mustDial(t, f, 7)
	defer open.Close()
	echoes(t, open, "hello")
	f.Withdraw("ns", "pod", "uid", carrier.Gone)
	eventually(t, "idle sessions end", func() bool { st := f.Stats(); return st.Idle == 0 && st.Sessions == 1 })
	echoes(t, open, "still here") // it was answered, so it lives as long as its program
	// A dial that names the Pod gets it even so: it may be the only one left.
	if _, err := request(t, f, at(7)); err != nil {
		t.Error(err)
	}
	eventually(t, "no session is kept", func() bool { return f.Stats().Sessions == 1 })
	f.Restore("ns", "pod", "uid")
	if _, err := request(t, f, at(7)); err != nil {
		t.Error(err)
	}
	eventually(t, "sessions are kept", func() bool { return f.Stats().Idle > 0 })
}

// A session that was being dialled when its Pod was withdrawn is not kept.
func TestASessionThatComesAfterTheWithdrawalIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLine(t, 100*time.Millisecond)
	f := w.forwarder(func(c *Config) { c.REST.Dial = l.dial })
	asked := make(chan error, 1)
	go func() {
		_, err := request(t, f, at(7))
		asked <- err
	}()
	spares := func() (dialling, sessions int) {
		f.pool.mu.Lock()
		defer f.pool.mu.Unlock()
		if p := f.pool.pods[podOf(at(7)[0])]; p != nil {
			dialling, sessions = p.dialling, len(p.sessions)
		}
		return dialling, sessions
	}
	eventually(t, "spares are dialled", func() bool { dialling, _ := spares(); return dialling > 1 })
	f.Withdraw("ns", "pod", "uid", carrier.NotReady)
	if err := <-asked; err != nil {
		t.Error(err)
	}
	eventually(t, "no session is left", func() bool { dialling, sessions := spares(); return dialling+sessions == 0 })
}

func TestAPodThatIsWithdrawnIsTriedLast(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	pods := []Endpoint{{Namespace: "ns", Pod: "a", UID: "a", Port: 7}, {Namespace: "ns", Pod: "b", UID: "b", Port: 7}}
	for _, withdrawn := range pods {
		f.Withdraw("ns", withdrawn.Pod, withdrawn.UID, carrier.NotReady)
		c, err := dial(t, f, pods)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got == "ns/"+withdrawn.Pod+":7" {
			t.Errorf("a connection went to %s", got)
		}
		_ = c.Close()
		f.Restore("ns", withdrawn.Pod, withdrawn.UID)
	}
}

// A connection that a gone Pod never answered ends soon, or goes elsewhere if no program can have seen a byte.
func TestAConnectionThatAGonePodNeverAnsweredEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(8, func(c net.Conn) { io.Copy(io.Discard, c) }) // never answers
	f := w.forwarder(nil)
	for _, sent := range []string{"", "hello"} {
		gone := Endpoint{Namespace: "ns", Pod: "gone" + sent, UID: "gone", Port: 8}
		f.pool.targets.markAnswered(&gone, true, time.Now())
		c, err := dial(t, f, append([]Endpoint{gone}, at(7)...))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(c, make([]byte, 5))
			read <- err
		}()
		eventually(t, "the connection is accepted", func() bool {
			f.pool.mu.Lock()
			defer f.pool.mu.Unlock()
			for _, s := range f.pool.pods[podOf(gone)].sessions {
				for _, a := range s.attempts {
					if a.conn == c.(*conn).connState && a.data != nil && a.data.Progress().Replied {
						return true
					}
				}
			}
			return false
		})
		start := time.Now()
		f.Withdraw("ns", gone.Pod, gone.UID, carrier.Gone)
		if sent == "" {
			eventually(t, "it is another Pod's", func() bool { return c.RemoteAddr().String() == "ns/pod:7" })
			if _, err := io.WriteString(c, "hello"); err != nil {
				t.Fatal(err)
			}
			if err := <-read; err != nil {
				t.Errorf("nothing was sent: %v", err)
			}
		} else if err := <-read; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q was sent: %v", sent, err)
		}
		if took := time.Since(start); took > goneTimeout+time.Second {
			t.Errorf("%q: it takes %v", sent, took)
		}
	}
}

// A knower implements Config.Standing, and counts its calls.
type knower struct {
	standing carrier.Standing
	asked    atomic.Int32
	most     atomic.Int32 // calls at a time
	now      atomic.Int32
	hold     chan struct{} // closed to let calls return; nil lets them return at once
}

func (l *knower) find(ctx context.Context, _, _, _ string) carrier.Standing {
	l.asked.Add(1)
	now := l.now.Add(1)
	defer l.now.Add(-1)
	for most := l.most.Load(); now > most && !l.most.CompareAndSwap(most, now); most = l.most.Load() {
	}
	if l.hold != nil {
		select {
		case <-l.hold:
		case <-ctx.Done():
		}
	}
	return l.standing
}

// A Pod that lost its labels is in no Service any more, but lives, and may still answer. So may one whose standing is
// not known.
func TestAnUnlistedPodMayTakeItsTimeUnlessItIsGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		standing carrier.Standing
		answers  bool
	}{{carrier.NotReady, true}, {carrier.Ending, true}, {carrier.Unlisted, true}, {carrier.Gone, false}} {
		t.Run(fmt.Sprint(c.standing), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			over := make(chan struct{})
			w.program(8, func(c net.Conn) {
				io.ReadFull(c, make([]byte, 5))
				<-over
				io.WriteString(c, "hello")
				io.Copy(io.Discard, c)
			})
			l := &knower{standing: c.standing}
			f := w.forwarder(func(c *Config) { c.Standing = l.find })
			conn := mustDial(t, f, 8)
			defer conn.Close()
			if _, err := io.WriteString(conn, "hello"); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			f.Withdraw("ns", "pod", "uid", carrier.Unlisted)
			time.AfterFunc(goneTimeout+goneTimeout/2, func() { close(over) })
			_, err := io.ReadFull(conn, make([]byte, 5))
			if c.answers && err != nil || !c.answers && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("after %v: %v", time.Since(begun), err)
			}
			<-over
			if n := l.asked.Load(); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// A rollout may remove many Pods at once. Standing is called for those that owe an answer, once each, and for a few at
// a time.
func TestStandingIsCalledForFewUnlistedPodsAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(8, func(c net.Conn) { io.Copy(io.Discard, c) }) // never answers
	l := &knower{standing: carrier.Gone, hold: make(chan struct{})}
	f := w.forwarder(func(c *Config) { c.Standing = l.find })
	const busy = 3 * maxStandingCalls
	var ended errgroup.Group
	for i := range 2 * busy {
		ep := Endpoint{Namespace: "ns", Pod: fmt.Sprint("pod-", i), UID: "uid", Port: 7}
		connections := 1
		if i < busy {
			ep.Port, connections = 8, 2
		}
		for range connections {
			conn, err := dial(t, f, []Endpoint{ep})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if ep.Port == 7 {
				echoes(t, conn, "hello")
				continue
			}
			if _, err := io.WriteString(conn, "hello"); err != nil {
				t.Fatal(err)
			}
			ended.Go(func() error {
				_, err := conn.Read(make([]byte, 1))
				return err
			})
		}
	}
	for i := range 50 { // Pods without a connection
		f.Withdraw("ns", fmt.Sprint("pod-", i), "uid", carrier.Unlisted)
	}
	eventually(t, "carrier.Standing is called", func() bool { return l.now.Load() == maxStandingCalls })
	close(l.hold)
	if err := ended.Wait(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	if n, most := l.asked.Load(), l.most.Load(); n != busy || most > maxStandingCalls {
		t.Errorf("%d calls, %d at a time", n, most)
	}
}

// A program that is killed ends its connections in order, though it has not answered. If its Pod lives, the program
// ended them itself.
func TestAnEndWithoutAnAnswerIsAResetOfAPodThatEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		withdrawn, standing carrier.Standing
		reset               bool
	}{
		{"ready", -1, carrier.Gone, false},
		{"not ready, and alive", carrier.NotReady, carrier.NotReady, false},
		{"not ready, and ending", carrier.NotReady, carrier.Ending, true},
		{"not ready, and nobody knows", carrier.NotReady, carrier.Unlisted, false},
		{"ending", carrier.Ending, carrier.NotReady, true},
		{"unlisted, and alive", carrier.Unlisted, carrier.NotReady, false},
		{"unlisted, and ending", carrier.Unlisted, carrier.Ending, true},
		{"unlisted, and gone", carrier.Unlisted, carrier.Gone, true},
		{"unlisted, and nobody knows", carrier.Unlisted, carrier.Unlisted, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			kill := make(chan struct{})
			w.program(8, func(c net.Conn) {
				io.ReadFull(c, make([]byte, 5)) // takes the request
				<-kill
			})
			f := w.forwarder(func(cfg *Config) { cfg.Standing = (&knower{standing: c.standing}).find })
			conn := mustDial(t, f, 8)
			defer conn.Close()
			if _, err := io.WriteString(conn, "hello"); err != nil {
				t.Fatal(err)
			}
			if c.withdrawn >= 0 {
				f.Withdraw("ns", "pod", "uid", c.withdrawn)
			}
			close(kill)
			if _, err := io.ReadAll(conn); errors.Is(err, syscall.ECONNRESET) != c.reset || err != nil && !c.reset {
				t.Errorf("got %v", err)
			}
		})
	}
}

// While the Pods of a Service are being replaced, the older ones are about to end.
func TestInARolloutTheNewPodsComeFirst(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	behind := func(pod string) Endpoint {
		return Endpoint{Namespace: "ns", Pod: pod, UID: pod, Port: 7, Service: "web:80"}
	}
	begun := time.Now().Add(-time.Minute)
	f.rollouts.markNamed([]Endpoint{behind("old-1"), behind("old-2")}, begun)
	f.rollouts.markNamed([]Endpoint{behind("new-1"), behind("new-2")}, begun.Add(time.Second+1))
	list := []Endpoint{behind("old-1"), behind("new-1"), behind("old-2"), behind("new-2")}
	if got := f.inOrder(list); !slices.Equal(got, list) {
		t.Errorf("nothing is replaced: %v", got)
	}
	f.Withdraw("ns", "old-1", "old-1", carrier.Ending)
	if got := f.inOrder(list); !slices.Equal(got, []Endpoint{behind("new-1"), behind("new-2"), behind("old-2"), behind("old-1")}) {
		t.Errorf("old-1 was withdrawn: %v", got)
	}
	if f.rollouts.isYounger(behind("new-1"), time.Now().Add(rollingFor)) {
		t.Error("a rollout is never over")
	}
}
