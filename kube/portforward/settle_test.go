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

// A refusal comes late and the client has much to say: all of it must reach the endpoint that is tried next.
func TestUploadGoesOnElsewhereAfterALateRefusal(t *testing.T) {
	for _, size := range []int{maxKept - 1, maxKept, maxKept + 1, 8 * maxKept} {
		w := newWorld(t)
		got := make(chan []byte, 1)
		w.program(8, func(c net.Conn) {
			c.SetDeadline(time.Now().Add(20 * time.Second)) // so that a failure ends
			b := make([]byte, size)
			n, _ := io.ReadFull(c, b) // told by what was got
			got <- b[:n]
			io.WriteString(c, "done") // seen by the client
		})
		f := w.forwarder(nil)
		endpoints := append(at(9000), at(8)...)
		// It is taken for connected, as a target is that answered lately.
		f.pool.targets.markAnswered(endpoints[0], true, time.Now())
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
		c.Close() // always nil
		if err == nil && !bytes.Equal(<-got, sent) {
			t.Errorf("%d bytes: others came", size)
		}
	}
}

// A large upload to a target that answers is not held back for as long as one to a target of which nothing is known.
func TestUploadToAKnownTargetIsNotHeldBack(t *testing.T) {
	w := newWorld(t)
	w.program(8, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 2*maxKept)) // the answer says it
		io.WriteString(c, "done")               // seen by the client
		io.Copy(io.Discard, c)                  // until its end
	})
	const grace = 5 * time.Second
	f := w.forwarder(func(c *Config) { c.Grace = grace })
	f.pool.targets.markAnswered(at(8)[0], true, time.Now())
	c := mustDial(t, f, 8)
	defer c.Close() // always nil
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

// One Pod refuses and another is gone: it is the refusal that tells the client what it needs to know.
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
