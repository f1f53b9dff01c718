package portforward

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"fairlead/kube/fault"
)

// A refusal comes late, and the client sends much: all of it must reach the endpoint that is tried next.
func TestUploadGoesOnElsewhereAfterALateRefusal(t *testing.T) {
	for _, size := range []int{maxKept - 1, maxKept, maxKept + 1, 8 * maxKept} {
		w := newWorld(t)
		got := make(chan []byte, 1)
		w.program(8, func(c net.Conn) {
			c.SetDeadline(time.Now().Add(20 * time.Second)) // so that a failure ends
			b := make([]byte, size)
			n, _ := io.ReadFull(c, b)
			got <- b[:n]
			io.WriteString(c, "done")
		})
		f := w.forwarder(nil)
		endpoints := append(at(9000), at(8)...)
		// It is taken for connected, like a target that answered recently.
		f.pool.targets.markAnswered(&endpoints[0], true, time.Now())
		f.pool.targets.observeLateRefusal(100 * time.Millisecond) // as refusals are on a busy machine
		c, err := dial(t, f, endpoints)
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write(sent)
			wrote <- err
		}()
		answer := make([]byte, 4)
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := <-wrote; err != nil {
			t.Errorf("%d bytes: write: %v", size, err)
		}
		c.Close()
		if err == nil && !bytes.Equal(<-got, sent) {
			t.Errorf("%d bytes: they were changed", size)
		}
	}
}

// A large upload to a target that answers waits less than one to an unknown target.
func TestUploadToAKnownTargetIsNotHeldBack(t *testing.T) {
	w := newWorld(t)
	w.program(8, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 2*maxKept))
		io.WriteString(c, "done")
		io.Copy(io.Discard, c)
	})
	const grace = 5 * time.Second
	f := w.forwarder(func(c *Config) { c.Grace = grace })
	f.pool.targets.markAnswered(&at(8)[0], true, time.Now())
	c := mustDial(t, f, 8)
	defer c.Close()
	start := time.Now()
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, 2*maxKept))
		wrote <- err
	}()
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Error(err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took >= grace {
		t.Errorf("it takes %v", took)
	}
}

// If one Pod refuses and another is gone, the error is the refusal.
func TestARefusalSaysMoreThanAPodThatIsGone(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(patient)
	gone := Endpoint{Namespace: "ns", Pod: "gone", UID: "gone", Port: 7}
	f.pool.targets.markRefused(gone, &fault.NotFound{Kind: fault.Pod, Name: "gone", Namespace: "ns"}, time.Now())
	for _, endpoints := range [][]Endpoint{append(at(9000), gone), append([]Endpoint{gone}, at(9001)...)} {
		_, err := dial(t, f, endpoints)
		if _, ok := errors.AsType[*fault.Refused](err); !ok {
			t.Errorf("%v: %v", endpoints, err)
		}
	}
}
