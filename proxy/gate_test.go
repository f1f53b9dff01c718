package proxy_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
)

func TestOneClientTooManyIsToldSo(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.MaxConnections = 2
	w := open(t, config)
	first := w.tunnel(to)
	w.tunnel(to)

	conn := w.connect()
	_, _ = conn.Write(socksRequest(to))
	if code := readSOCKS(t, conn); code != 1 {
		t.Errorf("SOCKS reply %d", code)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("after the reply: %v", err)
	}
	_ = conn.Close()
	for _, request := range []string{"CONNECT " + to + " HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://" + to + "/ HTTP/1.1\r\nHost: x\r\n\r\n"} {
		response, body, err := w.rawHTTP(strings.Fields(request)[0], request)
		if err != nil || response.StatusCode != 503 || !response.Close || !strings.Contains(body, "too many connections") ||
			!strings.Contains(response.Header.Get("Proxy-Status"), "error=connection_limit_reached;") {
			t.Errorf("%q: %+v %q, %v", request, response, body, err)
		}
	}
	for _, r := range w.waitReports(3) {
		if !errors.Is(r.Err, proxy.ErrTooMany) || r.Stage != proxy.StageRoute {
			t.Errorf("report %+v", r)
		}
	}
	if n := strings.Count(w.logText(), "too many connections\"}"); n != 1 {
		t.Errorf("%d lines for one burst:\n%s", n, w.logText())
	}

	_ = first.Close()
	eventually(t, "room for one more", func() bool {
		conn := w.connect()
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write(socksRequest(to))
		return readSOCKS(t, conn) == 0
	})
}

func TestFarTooManyClientsAreClosed(t *testing.T) {
	config := direct()
	config.MaxConnections, config.Handshake = 1, time.Hour
	w := open(t, config)
	closed := make(chan error, 200)
	for range 200 {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			closed <- err // so soon that it was never there
			continue
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		go func() {
			_, err := conn.Read(make([]byte, 1))
			closed <- err
		}()
	}
	for range 200 - 65 {
		select {
		case err := <-closed:
			if !errors.Is(err, syscall.ECONNRESET) && err != io.EOF {
				t.Errorf("closed with %v", err)
			}
		case <-time.After(patience):
			t.Fatal("too many stay open")
		}
	}
}

func TestStrangersAreTurnedAwayUnheard(t *testing.T) {
	to := target(t, echo)
	var stranger atomic.Bool
	config := direct()
	config.Peer = func(client, local netip.AddrPort) error {
		if !client.Addr().IsLoopback() || !local.Addr().IsLoopback() || client.Port() == local.Port() {
			t.Errorf("asked about %s at %s", client, local)
		}
		if stranger.Load() {
			return errors.New("not one of us")
		}
		return nil
	}
	w := open(t, config)
	_ = w.tunnel(to).Close()
	stranger.Store(true)
	for range 5 {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			continue // turned away so soon that it was never there
		}
		_, _ = conn.Write(socksRequest(to))
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes for a stranger", n)
		}
		_ = conn.Close()
	}
	if n := strings.Count(w.logText(), "not one of us"); n != 1 {
		t.Errorf("%d lines for one burst:\n%s", n, w.logText())
	}
	w.waitReports(1)
}

func TestIdleTunnelIsEnded(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.Idle = 2 * time.Second
	w := open(t, config)
	quiet, busy := w.tunnel(to), w.tunnel(to)
	ended := make(chan error, 1)
	go func() {
		_, err := quiet.Read(make([]byte, 1))
		ended <- err
	}()
	for waiting := true; waiting; {
		_, _ = busy.Write([]byte("x"))
		_, _ = io.ReadFull(busy, make([]byte, 1))
		select {
		case err := <-ended:
			if waiting = false; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the idle one ends with %v", err)
			}
		case <-time.After(20 * time.Millisecond):
		}
	}
	if r := w.waitReports(1)[0]; !errors.Is(r.Err, proxy.ErrIdle) || r.Stage != proxy.StageRelay {
		t.Errorf("report %+v", r)
	}
}

func TestOpenConnectionsAreListedAndCut(t *testing.T) {
	to := target(t, echo)
	h := newHanging()
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("begun"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	config := direct()
	config.Rules = append([]proxy.Rule{{Name: "hang", Match: hostIs("hang.example", h)}}, config.Rules...)
	w := open(t, config)
	waiting := w.connect()
	tunnel := w.tunnel(to)
	_, _ = tunnel.Write([]byte("12345"))
	_, _ = io.ReadFull(tunnel, make([]byte, 5))
	dialling := w.connect()
	_, _ = dialling.Write(socksRequest("hang.example:1"))
	<-h.began
	stream := w.connect()
	_, _ = io.WriteString(stream, "GET "+site.URL+" HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = stream.Read(make([]byte, 1))

	open := w.server.Connections()
	if len(open) != 3 {
		t.Fatalf("%+v", open)
	}
	for i, want := range []proxy.Connection{
		{Protocol: proxy.SOCKS5, Target: to, Rule: "direct", Stage: proxy.StageRelay, Sent: 5, Received: 5, Client: tunnel.LocalAddr().String()},
		{Protocol: proxy.SOCKS5, Target: "hang.example:1", Rule: "hang", Stage: proxy.StageDial, Client: dialling.LocalAddr().String()},
		{Protocol: proxy.HTTP, Target: strings.TrimPrefix(site.URL, "http://"), Rule: "direct", Stage: proxy.StageRelay, Client: stream.LocalAddr().String()},
	} {
		got := open[i]
		if got.ID == 0 || got.Opened.IsZero() || got.Lasted <= 0 || i == 2 && (got.Sent == 0 || got.Received == 0) {
			t.Errorf("%+v", got)
		}
		if got.ID, got.Opened, got.Lasted = 0, want.Opened, 0; i == 2 {
			got.Sent, got.Received = 0, 0
		}
		if got != want {
			t.Errorf("have %+v\nwant %+v", got, want)
		}
	}

	if n := w.server.CloseConnections(); n != 3 {
		t.Errorf("cut %d", n)
	}
	for _, conn := range []*net.TCPConn{tunnel, waiting} {
		if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a cut connection ends with %v", err)
		}
	}
	if answer, _ := io.ReadAll(dialling); len(answer) > 3 && answer[3] == 0 {
		t.Errorf("a cut dial is told as success: % x", answer)
	}
	for _, r := range w.waitReports(3) {
		if !errors.Is(r.Err, proxy.ErrCut) {
			t.Errorf("report %+v", r)
		}
	}
	if open := w.server.Connections(); len(open) != 0 {
		t.Errorf("%+v", open)
	}
	if n := w.server.CloseConnections(); n != 0 {
		t.Errorf("cut %d more", n)
	}
	again := w.tunnel(to)
	_, _ = again.Write([]byte("alive"))
	_ = again.CloseWrite()
	if got, err := io.ReadAll(again); err != nil || string(got) != "alive" {
		t.Errorf("%q, %v", got, err)
	}
}

// A client over the limit gets no connection to keep, whatever it asks for.
func TestOneClientTooManyKeepsNoConnection(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.MaxConnections = 1
	config.Pages = http.NotFoundHandler()
	w := open(t, config)
	w.tunnel(to)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n", "GET /x HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n",
		"OPTIONS http://" + to + "/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n",
	} {
		if response, _, err := w.rawHTTP(strings.Fields(request)[0], request); err != nil || !response.Close {
			t.Errorf("%q: %+v, %v", request, response, err)
		}
	}
}
