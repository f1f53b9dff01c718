package portforward

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// A refusal comes late and the client has much to say: all of it must reach the endpoint that is tried next.
func TestUploadGoesOnElsewhereAfterALateRefusal(t *testing.T) {
	for _, size := range []int{keep - 1, keep, keep + 1, 8 * keep} {
		w := newWorld(t)
		got := make(chan []byte, 1)
		w.program(8, func(c net.Conn) {
			c.SetDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // so that a failure ends
			b := make([]byte, size)
			n, _ := io.ReadFull(c, b) //nolint:errcheck // told by what was got
			got <- b[:n]
			io.WriteString(c, "done") //nolint:errcheck // seen by the client
		})
		f := w.forwarder(nil)
		endpoints := append(at(9000), at(8)...)
		// It is taken for connected, as a target is that answered lately.
		f.targets.answered(endpoints[0], time.Now())
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
		c.Close() //nolint:errcheck // always nil
		if err == nil && !bytes.Equal(<-got, sent) {
			t.Errorf("%d bytes: others came", size)
		}
	}
}
