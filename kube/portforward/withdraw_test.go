package portforward

import (
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestAPodThatIsWithdrawnKeepsNoSessionForLater(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	open := mustDial(t, f, 7)
	defer open.Close() // always nil
	echoes(t, open, "hello")
	f.Withdraw("ns", "pod", "uid", true)
	eventually(t, "idle sessions end", func() bool { st := f.Stats(); return st.Idle == 0 && st.Sessions == 1 })
	echoes(t, open, "still here") // it was answered, and lives as long as its program
	// Who names it all the same gets it: it may be the only one left.
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

// A session that was being dialled when its Pod was withdrawn is not kept either.
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
		f.mu.Lock()
		defer f.mu.Unlock()
		if p := f.pods[at(7)[0].pod()]; p != nil {
			dialling, sessions = p.dialling, len(p.sessions)
		}
		return dialling, sessions
	}
	eventually(t, "spares are dialled", func() bool { dialling, _ := spares(); return dialling > 1 })
	f.Withdraw("ns", "pod", "uid", false)
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
		f.Withdraw("ns", withdrawn.Pod, withdrawn.UID, false)
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

// What a Pod that is gone never answered ends soon, and goes elsewhere if no program can have seen a byte.
func TestAConnectionThatAGonePodNeverAnsweredEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(8, func(c net.Conn) { io.Copy(io.Discard, c) }) // never answers
	f := w.forwarder(nil)
	for _, sent := range []string{"", "hello"} {
		gone := Endpoint{Namespace: "ns", Pod: "gone" + sent, UID: "gone", Port: 8}
		f.targets.answered(gone, true, time.Now())
		c, err := dial(t, f, append([]Endpoint{gone}, at(7)...))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() // always nil
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(c, make([]byte, 5))
			read <- err
		}()
		eventually(t, "the connection is accepted", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, s := range f.pods[gone.pod()].sessions {
				for _, a := range s.attempts {
					if a.conn == c.(*conn) && a.data != nil && a.data.Progress().Replied {
						return true
					}
				}
			}
			return false
		})
		start := time.Now()
		f.Withdraw("ns", gone.Pod, gone.UID, true)
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
		if took := time.Since(start); took > lastWord+time.Second {
			t.Errorf("%q: it takes %v", sent, took)
		}
	}
}

// A Pod that lost its labels is behind no Service any more, and may be dialled by its own name for as long as it lives.
func TestAPodThatLivesOnIsNotTakenForGoneForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(8, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 5)) // the answer says it
		time.Sleep(lastWord + lastWord/2)
		io.WriteString(c, "hello") // seen by the client
		io.Copy(io.Discard, c)     // until its end
	})
	f := w.forwarder(nil)
	f.Withdraw("ns", "pod", "uid", true)
	f.mu.Lock()
	f.pods[at(8)[0].pod()].gone = time.Now().Add(-goneFor)
	f.mu.Unlock()
	if _, err := request(t, f, at(8)); err != nil {
		t.Error(err)
	}
}

// A program that is killed ends its connections in order, though it has not answered.
func TestAnEndWithoutAnAnswerOfAPodThatEndsIsAReset(t *testing.T) {
	w := newWorld(t)
	kill := make(chan struct{}, 2)
	w.program(8, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 5)) // takes the request
		<-kill
	})
	f := w.forwarder(nil)
	for _, withdrawn := range []bool{false, true} {
		c := mustDial(t, f, 8)
		defer c.Close() // always nil
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		if withdrawn {
			f.Withdraw("ns", "pod", "uid", false)
		}
		kill <- struct{}{}
		if _, err := io.ReadAll(c); errors.Is(err, syscall.ECONNRESET) != withdrawn {
			t.Errorf("withdrawn %v: %v", withdrawn, err)
		}
	}
}

// While the Pods of a Service are replaced, those that were there before are about to go.
func TestInARolloutTheNewPodsComeFirst(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	behind := func(pod string) Endpoint {
		return Endpoint{Namespace: "ns", Pod: pod, UID: pod, Port: 7, Service: "web:80"}
	}
	begun := time.Now().Add(-time.Minute)
	f.rollouts.named([]Endpoint{behind("old-1"), behind("old-2")}, begun)
	f.rollouts.named([]Endpoint{behind("new-1"), behind("new-2")}, begun.Add(time.Second+1))
	list := []Endpoint{behind("old-1"), behind("new-1"), behind("old-2"), behind("new-2")}
	if got := f.inOrder(list); !slices.Equal(got, list) {
		t.Errorf("nothing is replaced: %v", got)
	}
	f.Withdraw("ns", "old-1", "old-1", false)
	if got := f.inOrder(list); !slices.Equal(got, []Endpoint{behind("new-1"), behind("new-2"), behind("old-2"), behind("old-1")}) {
		t.Errorf("old-1 was withdrawn: %v", got)
	}
	if f.rollouts.younger(behind("new-1"), time.Now().Add(rollingFor)) {
		t.Error("a rollout is never over")
	}
}
