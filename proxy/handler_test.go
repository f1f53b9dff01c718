package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"fairlead/proxy"
)

// handlerFunc is a Handler made of a function.
type handlerFunc func(ctx context.Context, flow proxy.Flow, done func(error))

func (f handlerFunc) Handle(ctx context.Context, flow proxy.Flow, done func(error)) {
	f(ctx, flow, done)
}

// handled is direct with a handler.
func handled(handler proxy.Handler) proxy.Config {
	return proxy.Config{Rules: []proxy.Rule{{Name: "handled", Dialer: through{}, Handler: handler}}}
}

// shout is a Handler that passes on in capitals what the client sends, and tells it so first. It goes on when it has
// returned.
func shout(flows chan<- proxy.Flow) handlerFunc {
	return func(ctx context.Context, flow proxy.Flow, done func(error)) {
		flows <- flow
		stop := context.AfterFunc(ctx, func() {
			_ = flow.Client.(interface{ SetLinger(int) error }).SetLinger(0)
			_ = flow.Client.Close()
		})
		go func() {
			defer func() { done(context.Cause(ctx)) }()
			defer stop()
			defer func() { _, _ = flow.Client.Close(), flow.Target.Close() }()
			_, _ = io.WriteString(flow.Client, "shouting\n")
			_, _ = flow.Target.Write(bytes.ToUpper(flow.Early))
			said, _ := io.ReadAll(flow.Client)
			_, _ = flow.Target.Write(bytes.ToUpper(said))
			_ = flow.Target.(interface{ CloseWrite() error }).CloseWrite()
			_, _ = io.Copy(flow.Client, flow.Target)
		}()
	}
}

func TestAHandlerTakesTheConnectionOver(t *testing.T) {
	to := target(t, echo)
	flows := make(chan proxy.Flow, 1)
	w := open(t, handled(shout(flows)))
	forEachTunnel(t, to, func(t *testing.T, protocol string, request []byte) {
		conn := w.connect()
		_, _ = conn.Write(append(request, "early, "...))
		skipAnswer(t, protocol, conn)
		flow := <-flows
		if c := flow.Connection; c.Target != to || c.Rule != "handled" || c.Stage != proxy.StageRelay || c.Client != conn.LocalAddr().String() {
			t.Errorf("the handler gets %+v", c)
		}
		_, _ = io.WriteString(conn, "late")
		_ = conn.CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "shouting\nEARLY, LATE" {
			t.Errorf("the client reads %q, %v", got, err)
		}
	})
	for _, r := range w.waitReports(2) {
		if r.Sent != 11 || r.Received != 11 || r.Err != nil {
			t.Errorf("%+v", r)
		}
	}
}

func TestAHandlerTakesAnUpgradedConnectionOver(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		ahead := bufio.NewReader(conn)
		if _, err := http.ReadRequest(ahead); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\nhello ")
		_, _ = io.Copy(conn, ahead)
	})
	flows := make(chan proxy.Flow, 1)
	w := open(t, handled(shout(flows)))
	conn := w.connect()
	_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nearly, ", to)
	ahead := bufio.NewReader(conn)
	if response, err := http.ReadResponse(ahead, nil); err != nil || response.StatusCode != 101 {
		t.Fatalf("%+v, %v", response, err)
	}
	_, _ = io.WriteString(conn, "late")
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(ahead); err != nil || string(got) != "shouting\nhello EARLY, LATE" {
		t.Errorf("the client reads %q, %v", got, err)
	}
	if c := (<-flows).Connection; c.Protocol != proxy.HTTP || c.Target != to || c.Rule != "handled" {
		t.Errorf("the handler gets %+v", c)
	}
	if got := w.waitReports(1)[0]; got.Err != nil || got.Received < 17 {
		t.Errorf("%+v", got)
	}
	if got := w.kinds(to); got != "opened routed answered closed" {
		t.Errorf("events %q", got)
	}
}

func TestAHandlerIsCutWithTheCause(t *testing.T) {
	to := target(t, echo)
	flows := make(chan proxy.Flow, 1)
	w := open(t, handled(shout(flows)))
	conn := w.tunnel(to)
	<-flows
	if n := w.server.CloseConnections(); n != 1 {
		t.Errorf("%d connections cut", n)
	}
	if got, err := io.ReadAll(conn); err == nil {
		t.Errorf("the client reads %q and an orderly end", got)
	}
	if r := w.waitReports(1)[0]; !errors.Is(r.Err, proxy.ErrCut) {
		t.Errorf("%+v", r)
	}
}

// A handler that fails ends its own connection alone, and its end counts once.
func TestAHandlerThatPanicsEndsItsConnection(t *testing.T) {
	to := target(t, echo)
	dones := make(chan func(error), 1)
	w := open(t, handled(handlerFunc(func(_ context.Context, _ proxy.Flow, done func(error)) {
		dones <- done
		panic("handler")
	})))
	conn := w.tunnel(to)
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v", err)
	}
	if r := w.waitReports(1)[0]; r.Err == nil || !strings.Contains(r.Err.Error(), "in the handler") {
		t.Errorf("%+v", r)
	}
	(<-dones)(nil)
	w.waitReports(1)
	eventually(t, "log", func() bool { return w.logged("handler panicked") })
	w.forgetLog()
}
