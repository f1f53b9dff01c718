package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"fairlead/proxy"
)

// optimist is a connection handed out before its target answered.
type optimist struct {
	*net.TCPConn
	opened func(context.Context) error
}

func (o optimist) Opened(ctx context.Context) error { return o.opened(ctx) }

func TestUnconfirmedTargetGetsTheEarlyBytesBeforeTheClientIsAnswered(t *testing.T) {
	arrived := make(chan string, 1)
	to := target(t, func(conn *net.TCPConn) {
		got := make([]byte, 5)
		_, _ = io.ReadFull(conn, got)
		arrived <- string(got)
		_, _ = conn.Write([]byte("ok"))
	})
	w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return optimist{conn.(*net.TCPConn), func(ctx context.Context) error {
			select {
			case got := <-arrived:
				if got != "early" {
					return errors.New(got)
				}
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}, nil
	}))
	forEachTunnel(t, to, func(t *testing.T, protocol string, request []byte) {
		conn := w.connect()
		_, _ = conn.Write(append(request, "early"...))
		skipAnswer(t, protocol, conn)
		_ = conn.CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "ok" {
			t.Errorf("%q, %v", got, err)
		}
	})
	for _, r := range w.waitReports(2) {
		if r.Sent != 5 {
			t.Errorf("report %+v", r)
		}
	}
}

func TestRefusalOfAnUnconfirmedTargetIsToldInItsCode(t *testing.T) {
	to := target(t, func(*net.TCPConn) {})
	w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return optimist{conn.(*net.TCPConn), func(context.Context) error { return syscall.ECONNREFUSED }}, nil
	}))
	conn := w.connect()
	_, _ = conn.Write(socksRequest(to))
	if code := readSOCKS(t, conn); code != 5 {
		t.Errorf("reply %d", code)
	}
	out, _ := curl(t, "-w", "%{http_code}", "-x", "http://"+w.addr, "http://"+to+"/")
	if !strings.Contains(out, "refused") || !strings.HasSuffix(out, "502") {
		t.Errorf("curl got %q", out)
	}
	for _, r := range w.waitReports(2) {
		if r.Stage != proxy.StageDial || !errors.Is(r.Err, syscall.ECONNREFUSED) {
			t.Errorf("report %+v", r)
		}
	}
}

// refusingLate is confirmed, and refused when it is read.
type refusingLate struct{ optimist }

func (refusingLate) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "read", Err: syscall.ECONNREFUSED}
}

func TestRefusalAfterTheAnswerIsAResetAndADialFailure(t *testing.T) {
	to := target(t, echo)
	w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return refusingLate{optimist{conn.(*net.TCPConn), func(context.Context) error { return nil }}}, nil
	}))
	conn := w.tunnel(to)
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v", err)
	}
	if r := w.waitReports(1)[0]; r.Stage != proxy.StageDial || !errors.Is(r.Err, syscall.ECONNREFUSED) {
		t.Errorf("report %+v", r)
	}
}
