package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
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
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "hang", Dialer: h}}, DialTimeout: time.Hour})
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

func TestDialOutOfTimeIsToldSo(t *testing.T) {
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "hang", Dialer: newHanging()}}, DialTimeout: 50 * time.Millisecond})
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

// shortConn takes the first three bytes of what is sent and fails.
type shortConn struct{ net.Conn }

func (c shortConn) Write(p []byte) (int, error) {
	n, _ := c.Conn.Write(p[:3])
	return n, syscall.EPIPE
}

func TestOnlyWhatWasWrittenIsCounted(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) })
	w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := through{}.DialContext(ctx, network, address)
		return shortConn{conn}, err
	}))
	conn := w.tunnel(to)
	_, _ = conn.Write([]byte("12345"))
	_, _ = io.ReadAll(conn)
	if r := w.waitReports(1)[0]; r.Sent != 3 || r.Received != 0 {
		t.Errorf("report %+v", r)
	}
	if traffic := w.server.Traffic(); traffic.Sent != 3 || traffic.Received != 0 {
		t.Errorf("traffic %+v", traffic)
	}
}
