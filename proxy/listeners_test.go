package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
)

// Calls of Serve share what the Server counts and closes, and each ends with its own context.
func TestOneServerServesSeveralListenersAtOnce(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.Drain = time.Millisecond
	w := open(t, config)
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, ln) }()
	second := &world{t: t, addr: ln.Addr().String()}

	for range 2 { // again after all connections were closed
		tunnels := []*net.TCPConn{w.tunnel(to), second.tunnel(to)}
		if got := w.server.Traffic().Open; got != 2 {
			t.Errorf("%d connections are open, want one through each listener", got)
		}
		if cut := w.server.CloseConnections(); cut != 2 {
			t.Errorf("%d connections were closed, want one through each listener", cut)
		}
		for _, tunnel := range tunnels {
			if _, err := tunnel.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the tunnel ends with %v, want a reset", err)
			}
		}
		eventually(t, "the count", func() bool { return w.server.Traffic().Open == 0 })
	}
	stays, ends := w.tunnel(to), second.tunnel(to)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ends.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the tunnel of the listener that was stopped ends with %v, want a reset", err)
	}
	if _, err := net.Dial("tcp", second.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the listener that was stopped: %v", err)
	}
	_, _ = stays.Write([]byte("open"))
	_ = stays.CloseWrite()
	if got, err := io.ReadAll(stays); err != nil || string(got) != "open" {
		t.Errorf("through the other listener: %q, %v", got, err)
	}
	if got := w.server.Traffic(); got != (proxy.Traffic{Total: 6, Sent: 4, Received: 4, Open: got.Open}) {
		t.Errorf("traffic %+v", got)
	}
}
