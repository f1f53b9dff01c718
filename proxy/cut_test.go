package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
)

func TestResetDuringTheDialEndsItAlsoAfterEarlyData(t *testing.T) {
	h := newHanging()
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "hang", Dialer: h}}, DialTimeout: time.Hour})
	conn := w.connect()
	_, _ = conn.Write(append(socksRequest("db.prod:5432"), "early"...))
	<-h.began
	_, _ = io.ReadFull(conn, make([]byte, 2))
	_ = conn.SetLinger(0)
	_ = conn.Close()
	select {
	case <-h.ended:
	case <-time.After(patience):
		t.Fatal("the dial goes on")
	}
}

func TestResetOfTheTargetIsAResetForTheClient(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		_, _ = conn.Write([]byte("half of it"))
		_, _ = conn.Read(make([]byte, 1)) // the client has it
		_ = conn.SetLinger(0)
	})
	w := open(t, direct())
	conn := w.tunnel(to)
	_, _ = io.ReadFull(conn, make([]byte, 10))
	_, _ = conn.Write([]byte("x"))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v", err)
	}
	if r := w.waitReports(1)[0]; !errors.Is(r.Err, syscall.ECONNRESET) || r.Stage != proxy.StageRelay {
		t.Errorf("report %+v", r)
	}
}

func TestResetOfTheClientIsAResetForTheTarget(t *testing.T) {
	read := make(chan error, 1)
	to := target(t, func(conn *net.TCPConn) {
		_, err := io.ReadFull(conn, make([]byte, 100))
		read <- err
	})
	w := open(t, direct())
	conn := w.tunnel(to)
	_, _ = conn.Write([]byte("half of it"))
	eventually(t, "the bytes to arrive", func() bool { return w.server.Traffic().Sent == 10 })
	_ = conn.SetLinger(0)
	_ = conn.Close()
	if err := <-read; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the target reads %v", err)
	}
	if r := w.waitReports(1)[0]; r.Err != nil {
		t.Errorf("report %+v", r)
	}
}

func TestEarlyAnswerOfATargetThatRefusesTheRestArrives(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		_, _ = io.ReadFull(conn, make([]byte, 1000))
		_, _ = conn.Write([]byte("too large"))
		_ = conn.CloseWrite()
		_, _ = io.CopyN(io.Discard, conn, 1<<20)
	})
	w := open(t, direct())
	conn := w.tunnel(to)
	go func() { _, _ = conn.Write(make([]byte, 64<<20)) }()
	got := make([]byte, 9)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "too large" {
		t.Errorf("%q, %v", got, err)
	}
	_ = conn.Close()
	w.waitReports(1)
}

func TestSilentDirectionEndsAfterItsGrace(t *testing.T) {
	quit := make(chan struct{})
	defer close(quit)
	deaf := target(t, func(*net.TCPConn) { <-quit })
	ended := target(t, func(conn *net.TCPConn) { _ = conn.CloseWrite(); <-quit })
	config := direct()
	config.Grace = 100 * time.Millisecond
	w := open(t, config)

	asks := w.tunnel(deaf)
	_ = asks.CloseWrite()
	if _, err := asks.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an answer that never came ends as %v, want a reset", err)
	}
	stays := w.tunnel(ended)
	if _, err := stays.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read %v", err)
	}
	reports := w.waitReports(2)
	for _, r := range reports {
		if r.Target == deaf && r.Err == nil || r.Target == ended && r.Err != nil {
			t.Errorf("report %+v", r)
		}
	}
}

func TestMovingDirectionOutlivesTheGrace(t *testing.T) {
	const lines = 8
	to := target(t, func(conn *net.TCPConn) {
		_, _ = io.ReadAll(conn)
		for range lines {
			<-time.After(60 * time.Millisecond)
			_, _ = conn.Write([]byte("line\n"))
		}
	})
	config := direct()
	config.Grace = 400 * time.Millisecond
	w := open(t, config)
	conn := w.tunnel(to)
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || strings.Count(string(got), "line") != lines {
		t.Errorf("%q, %v", got, err)
	}
}

// panicking is a connection with a fault.
type panicking struct{ *net.TCPConn }

func (panicking) Read([]byte) (int, error) { panic("a fault in a carrier") }

func TestPanicOfADialerHurtsOneConnection(t *testing.T) {
	to := target(t, echo)
	var calls atomic.Int64
	w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
		switch calls.Add(1) {
		case 1, 2:
			panic("a fault in a dialer")
		case 3:
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return panicking{conn.(*net.TCPConn)}, nil
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}))
	conn := w.connect()
	_, _ = conn.Write(socksRequest(to))
	if code := readSOCKS(t, conn); code != 1 {
		t.Errorf("reply %d", code)
	}
	if out, _ := curl(t, "-o", "/dev/null", "-w", "%{http_code}", "-x", "http://"+w.addr, "http://"+to+"/"); out != "502" {
		t.Errorf("curl got %q", out)
	}
	conn = w.tunnel(to)
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v", err)
	}
	w.waitReports(3)
	conn = w.tunnel(to)
	_, _ = conn.Write([]byte("alive"))
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "alive" {
		t.Errorf("%q, %v", got, err)
	}
	if !w.logged("a fault in a dialer") || !w.logged("a fault in a carrier") {
		t.Errorf("the faults are not in the log:\n%s", w.logText())
	}
	w.forgetLog()
}
