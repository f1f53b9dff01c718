package proxy_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
	"fairlead/proxy/hostport"
)

// openTarget starts a Server whose connections are for what target returns.
func openTarget(t *testing.T, config proxy.Config, target func(net.Conn) (proxy.Target, error)) *world {
	t.Helper()
	return openServing(t, config, listen(t), func(s *proxy.Server, ctx context.Context, ln net.Listener) error {
		return s.ServeTarget(ctx, ln, target)
	})
}

// at returns the target of every connection.
func at(address string) func(net.Conn) (proxy.Target, error) {
	return func(net.Conn) (proxy.Target, error) { return hostport.Parse(address) }
}

// expectRefusal connects, and expects a reset, which may come before anything is sent.
func (w *world) expectRefusal(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	expectReset(t, conn)
}

// expectReset reads from a connection that must be reset, before anything came.
func expectReset(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %d bytes, %v", n, err)
	}
}

func TestAConnectionWithAKnownTargetIsRelayed(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) { // which speaks first, as many servers do
		_, _ = io.WriteString(conn, "220 ready\n")
		echo(conn)
	})
	w := openTarget(t, direct(), at(to))
	conn := w.connect()
	greeting := make([]byte, 10)
	if _, err := io.ReadFull(conn, greeting); err != nil || string(greeting) != "220 ready\n" {
		t.Fatalf("the client reads %q, %v", greeting, err)
	}
	open := w.server.Connections()
	if len(open) != 1 || open[0].Protocol != proxy.TCP || open[0].Target != to || open[0].Rule != "direct" || open[0].Stage != proxy.StageRelay {
		t.Errorf("connections %+v", open)
	}
	_, _ = io.WriteString(conn, "\x05\x01\x00 is no handshake here")
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "\x05\x01\x00 is no handshake here" {
		t.Errorf("the client reads %q, %v", got, err)
	}
	if r := w.waitReports(1)[0]; r.Err != nil || r.Sent != 24 || r.Received != 34 || r.Client != conn.LocalAddr().String() {
		t.Errorf("%+v", r)
	}
	if got := w.kinds(to); got != "opened routed answered closed" {
		t.Errorf("events %q", got)
	}
}

func TestAConnectionWithAKnownTargetIsResetOnFailure(t *testing.T) {
	ln := listen(t)
	closed := ln.Addr().String()
	_ = ln.Close()
	for _, c := range []struct {
		name, to, kinds string
		config          proxy.Config
		err             error
	}{
		{"refused by the rules", "db.prod:5432", "opened answered closed", proxy.Config{}, fs.ErrPermission},
		{"refused by the target", closed, "opened routed answered closed", direct(), syscall.ECONNREFUSED},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := openTarget(t, c.config, at(c.to))
			w.expectRefusal(t)
			if r := w.waitReports(1)[0]; !errors.Is(r.Err, c.err) || r.Answer != (proxy.Answer{}) {
				t.Errorf("%+v", r)
			}
			if got := w.kinds(c.to); got != c.kinds {
				t.Errorf("events %q", got)
			}
		})
	}
}

func TestAConnectionWithoutATargetIsReset(t *testing.T) {
	for name, target := range map[string]func(net.Conn) (proxy.Target, error){
		"error":   func(net.Conn) (proxy.Target, error) { return proxy.Target{}, errors.New("not captured") },
		"invalid": func(net.Conn) (proxy.Target, error) { return proxy.Target{Host: "two words", Port: 80}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := openTarget(t, direct(), target)
			w.expectRefusal(t)
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			w.waitReports(0)
		})
	}
}

// Peer and Connections hold for these clients, too.
func TestAdmissionToAKnownTarget(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.MaxConnections = 1
	var deny atomic.Bool
	config.Peer = func(client, local netip.AddrPort) error {
		if deny.Load() {
			return errors.New("a stranger")
		}
		return nil
	}
	w := openTarget(t, config, at(to))
	first := w.connect()
	_, _ = io.WriteString(first, "a")
	if _, err := io.ReadFull(first, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	w.expectRefusal(t) // one too many
	if r := w.waitReports(1)[0]; !errors.Is(r.Err, proxy.ErrTooMany) {
		t.Errorf("%+v", r)
	}
	deny.Store(true)
	w.expectRefusal(t)
	if w.waitReports(1); !w.logged("a stranger") {
		t.Error("the stranger is not logged")
	}
}

func TestStopDrainsConnectionsWithAKnownTarget(t *testing.T) {
	for name, c := range map[string]struct {
		drain time.Duration
		err   error
	}{"ends in time": {patience, nil}, "is cut": {50 * time.Millisecond, proxy.ErrStopped}} {
		t.Run(name, func(t *testing.T) {
			to := target(t, echo)
			config := direct()
			config.Drain = c.drain
			w := openTarget(t, config, at(to))
			conn := w.connect()
			_, _ = io.WriteString(conn, "a")
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			stopped := make(chan error, 1)
			go func() { stopped <- w.stop() }()
			eventually(t, "the listener's end", func() bool {
				more, err := net.Dial("tcp", w.addr)
				if err == nil {
					_ = more.Close()
				}
				return err != nil
			})
			if c.err == nil {
				_, _ = io.WriteString(conn, "b")
				_ = conn.CloseWrite()
				if got, err := io.ReadAll(conn); err != nil || string(got) != "b" {
					t.Errorf("the client reads %q, %v", got, err)
				}
			} else {
				expectReset(t, conn)
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			for _, e := range w.eventsOf(to) {
				ours := e.Connection.Client == conn.LocalAddr().String()
				if ours && e.Kind == proxy.EventClosed && !errors.Is(e.Connection.Err, c.err) {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}
