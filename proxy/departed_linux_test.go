package proxy_test

import (
	"io"
	"net"
	"testing"
	"time"
)

// silentTarget reads to the end and then waits until the test ends it. A relay that waits for its end waits for ever.
func silentTarget(t *testing.T) (address string, got chan string, release func()) {
	got = make(chan string, 1)
	ended := make(chan struct{})
	address = target(t, func(conn *net.TCPConn) {
		text, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("the target reads %v", err)
		}
		got <- string(text)
		<-ended
	})
	return address, got, func() { close(ended) }
}

// A client that closes its connection sends the same FIN as one that ends its direction, and waits for nothing.
func TestAClosedClientEndsItsTunnelThoughTheTargetStays(t *testing.T) {
	to, got, release := silentTarget(t)
	defer release()
	w := open(t, direct())
	conn := w.tunnel(to)
	_, _ = conn.Write([]byte("all of it"))
	_ = conn.Close()
	if text := <-got; text != "all of it" {
		t.Errorf("the target got %q", text)
	}
	if r := w.waitReports(1)[0]; r.Err != nil || r.Sent != 9 {
		t.Errorf("report %+v", r)
	}
}

// A client that has ended its direction may close later, when it has waited long enough.
func TestAClientThatLeavesAfterItsHalfCloseEndsItsTunnel(t *testing.T) {
	to, got, release := silentTarget(t)
	defer release()
	w := open(t, direct())
	conn := w.tunnel(to)
	_, _ = conn.Write([]byte("all of it"))
	_ = conn.CloseWrite()
	if text := <-got; text != "all of it" {
		t.Errorf("the target got %q", text)
	}
	// It has not left: nothing ends. A tunnel that would end after all has had its looks by then.
	_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); err == io.EOF {
		t.Fatal("a half-closed client was taken for one that left")
	}
	_ = conn.Close()
	if r := w.waitReports(1)[0]; r.Err != nil || r.Sent != 9 {
		t.Errorf("report %+v", r)
	}
}
