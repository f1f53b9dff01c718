package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"fairlead/proxy"
)

// pendingConn is a connection whose client waits.
type pendingConn struct {
	net.Conn
	left    bool // the client is gone when it is accepted
	answers chan<- string
}

func (c *pendingConn) Accept() error {
	c.answers <- "accepted"
	if c.left {
		return net.ErrClosed
	}
	return nil
}

func (c *pendingConn) Refuse(refused bool) {
	if refused {
		c.answers <- "refused"
	} else {
		c.answers <- "unreachable"
	}
}

// pendingListener makes the connections of a listener pending ones.
type pendingListener struct {
	net.Listener
	left    bool
	answers chan<- string
}

func (l pendingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &pendingConn{conn, l.left, l.answers}, nil
}

// A client that waits in its connect is answered once its target is known, and by what its target is.
func TestPendingClientsAreAnswered(t *testing.T) {
	to := target(t, echo)
	dial := dialerFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	})
	fail := func(err error) dialerFunc {
		return func(context.Context, string, string) (net.Conn, error) { return nil, err }
	}
	for _, c := range []struct {
		what, want string
		dial       dialerFunc
		left       bool
	}{
		{"connected", "accepted", dial, false},
		{"gone meanwhile", "accepted", dial, true},
		{"refused", "refused", fail(syscall.ECONNREFUSED), false},
		{"not ready", "unreachable", fail(syscall.EHOSTUNREACH), false},
		{"timed out", "unreachable", fail(context.DeadlineExceeded), false},
		{"something else", "unreachable", fail(errors.New("something else")), false},
	} {
		t.Run(c.what, func(t *testing.T) {
			answers := make(chan string, 4)

			config := proxy.Config{Rules: []proxy.Rule{{Name: "test", Dialer: c.dial}}}
			w := openServing(t, config, listen(t), func(s *proxy.Server, ctx context.Context, ln net.Listener) error {
				return s.ServeTarget(ctx, pendingListener{ln, c.left, answers}, at(to))
			})

			conn := w.connect()
			if got := <-answers; got != c.want {
				t.Errorf("the client is %s, want %s", got, c.want)
			}
			if c.what == "connected" {
				_, _ = io.WriteString(conn, "hello")
				_ = conn.CloseWrite()
				if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
					t.Errorf("the client reads %q, %v", got, err)
				}
			} else {
				_, _ = io.ReadAll(conn) // however it ends, it ends
			}
			w.waitReports(1)
			if len(answers) > 0 {
				t.Errorf("the client is %s as well", <-answers)
			}
		})
	}
}
