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

// tunnelRequests asks for a target in each protocol that makes a tunnel.
func tunnelRequests(address string) map[string][]byte {
	return map[string][]byte{
		"socks5":  socksRequest(address),
		"connect": []byte("CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n"),
	}
}

// skipAnswer reads what a protocol answers to a good request.
func skipAnswer(t *testing.T, protocol string, conn io.Reader) {
	t.Helper()
	if protocol == "socks5" {
		if code := readSOCKS(t, conn); code != 0 {
			t.Fatalf("reply %d", code)
		}
		return
	}
	want := "HTTP/1.1 200 Connection established\r\n\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("answer %q, %v", got, err)
	}
}

func forEachTunnel(t *testing.T, address string, test func(t *testing.T, protocol string, request []byte)) {
	for protocol, request := range tunnelRequests(address) {
		t.Run(protocol, func(t *testing.T) { test(t, protocol, request) })
	}
}

func TestHalfCloseKeepsTheLateAnswer(t *testing.T) {
	release := make(chan struct{}, 2)
	to := target(t, func(conn *net.TCPConn) {
		all, _ := io.ReadAll(conn)
		<-release
		_, _ = conn.Write([]byte("got " + string(all)))
	})
	w := open(t, direct())
	forEachTunnel(t, to, func(t *testing.T, protocol string, request []byte) {
		conn := w.connect()
		_, _ = conn.Write(request)
		skipAnswer(t, protocol, conn)
		_, _ = conn.Write([]byte("question"))
		_ = conn.CloseWrite()
		release <- struct{}{}
		if got, err := io.ReadAll(conn); err != nil || string(got) != "got question" {
			t.Errorf("%q, %v", got, err)
		}
	})
	for _, r := range w.waitReports(2) {
		if r.Sent != 8 || r.Received != 12 || r.Err != nil {
			t.Errorf("report %+v", r)
		}
	}
}

func TestTargetMaySpeakFirstAndEndFirst(t *testing.T) {
	heard := make(chan string, 2)
	to := target(t, func(conn *net.TCPConn) {
		_, _ = conn.Write([]byte("welcome"))
		_ = conn.CloseWrite()
		all, _ := io.ReadAll(conn)
		heard <- string(all)
	})
	w := open(t, direct())
	forEachTunnel(t, to, func(t *testing.T, protocol string, request []byte) {
		conn := w.connect()
		_, _ = conn.Write(request)
		skipAnswer(t, protocol, conn)
		if got, err := io.ReadAll(conn); err != nil || string(got) != "welcome" {
			t.Errorf("%q, %v", got, err)
		}
		_, _ = conn.Write([]byte("thanks"))
		_ = conn.CloseWrite()
		if got := <-heard; got != "thanks" {
			t.Errorf("the target heard %q", got)
		}
	})
}

func TestDataSentTogetherWithTheRequestArrives(t *testing.T) {
	for name, end := range map[string]bool{"and no more": true, "and open": false} {
		t.Run(name, func(t *testing.T) {
			to := target(t, func(conn *net.TCPConn) {
				got := make([]byte, 5)
				_, _ = io.ReadFull(conn, got)
				_, _ = conn.Write([]byte("got " + string(got)))
			})
			slow := func(ctx context.Context, network, address string) (net.Conn, error) {
				select { // so that the client's FIN is there before the target is
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}
			w := open(t, by(slow))
			forEachTunnel(t, to, func(t *testing.T, protocol string, request []byte) {
				conn := w.connect()
				_, _ = conn.Write(append(request, "early"...))
				if end {
					_ = conn.CloseWrite()
				}
				skipAnswer(t, protocol, conn)
				if got, err := io.ReadAll(conn); err != nil || string(got) != "got early" {
					t.Errorf("%q, %v", got, err)
				}
			})
		})
	}
}

// hanging is a Dialer that never answers; it tells when a dial began and what ended it.
type hanging struct{ began, ended chan error }

func newHanging() hanging { return hanging{make(chan error, 10), make(chan error, 10)} }

func (h hanging) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	h.began <- nil
	<-ctx.Done()
	h.ended <- context.Cause(ctx)
	return nil, ctx.Err()
}

func TestDialEndsWhenTheClientLeaves(t *testing.T) {
	h := newHanging()
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "hang", Dialer: h}}, Dial: time.Hour})
	requests := tunnelRequests("db.prod:5432")
	requests["http"] = []byte("GET http://db.prod:5432/ HTTP/1.1\r\nHost: db.prod\r\n\r\n")
	for protocol, request := range requests {
		t.Run(protocol, func(t *testing.T) {
			conn := w.connect()
			_, _ = conn.Write(request)
			<-h.began
			_ = conn.Close()
			select {
			case <-h.ended:
			case <-time.After(patience):
				t.Fatal("the dial goes on")
			}
		})
	}
	for _, r := range w.waitReports(len(requests)) {
		if !errors.Is(r.Err, proxy.ErrClientLeft) || r.Stage != proxy.StageDial || r.Answer != (proxy.Answer{}) {
			t.Errorf("report %+v", r)
		}
	}
}

func TestResetDuringTheDialEndsItAlsoAfterEarlyData(t *testing.T) {
	h := newHanging()
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "hang", Dialer: h}}, Dial: time.Hour})
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

func TestDialOutOfTimeIsToldSo(t *testing.T) {
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "hang", Dialer: newHanging()}}, Dial: 50 * time.Millisecond})
	conn := w.connect()
	_, _ = conn.Write(socksRequest("db.prod:5432"))
	if code := readSOCKS(t, conn); code != 6 {
		t.Errorf("reply %d", code)
	}
	out, _ := curl(t, "-w", "%{http_code}", "-x", "http://"+w.addr, "http://db.prod/")
	if !strings.HasSuffix(out, "504") {
		t.Errorf("curl got %q", out)
	}
}

func TestRefusedPortLeavesOtherTunnelsOpen(t *testing.T) {
	to := target(t, echo)
	w := open(t, direct())
	open := w.tunnel(to)
	closed := listen(t)
	_ = closed.Close()
	for range 20 {
		conn := w.connect()
		_, _ = conn.Write(socksRequest(closed.Addr().String()))
		if code := readSOCKS(t, conn); code != 5 {
			t.Fatalf("reply %d", code)
		}
	}
	_, _ = open.Write([]byte("still here"))
	_ = open.CloseWrite()
	if got, err := io.ReadAll(open); err != nil || string(got) != "still here" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFailureIsReportedWhileTheClientLingers(t *testing.T) {
	w := open(t, by(func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }))
	conn := w.connect()
	_, _ = conn.Write(append(socksRequest("db.prod:5432"), strings.Repeat("eager", 20000)...))
	if code := readSOCKS(t, conn); code != 5 {
		t.Fatalf("reply %d", code)
	}
	if r := w.waitReports(1)[0]; !errors.Is(r.Err, syscall.ECONNREFUSED) || r.Answer.SOCKS5 != 5 {
		t.Errorf("report %+v", r)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the answer is followed by %v, want an orderly end", err)
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
