package stream

import (
	"bufio"
	"io"
	"net"
	"testing"
)

func TestWhatWasReadTooFarIsReadAgain(t *testing.T) {
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close() })
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(far, "head\nearly")
		if err == nil {
			_, err = io.WriteString(far, " late")
		}
		_ = far.Close()
		sent <- err
	}()
	r := bufio.NewReader(near)
	if Unread(near, r) != near {
		t.Error("a connection of which nothing was read is another one")
	}
	if head, err := r.ReadString('\n'); head != "head\n" || err != nil {
		t.Fatalf("%q, %v", head, err)
	}
	if rest, err := io.ReadAll(Unread(near, r)); string(rest) != "early late" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
