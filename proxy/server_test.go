package proxy_test

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
)

func TestStopLetsATunnelEndByItself(t *testing.T) {
	release := make(chan struct{})
	to := target(t, func(conn *net.TCPConn) {
		<-release
		_, _ = conn.Write([]byte("the end"))
	})
	config := direct()
	config.Drain = time.Hour
	w := open(t, config)
	conn := w.tunnel(to)
	stopped := make(chan error, 1)
	go func() { stopped <- w.stop() }()
	eventually(t, "the port to close", func() bool {
		probe, err := net.Dial("tcp", w.addr)
		if err == nil {
			_ = probe.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	close(release)
	if got, err := io.ReadAll(conn); err != nil || string(got) != "the end" {
		t.Errorf("%q, %v", got, err)
	}
	_ = conn.Close()
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if r := w.waitReports(1)[0]; r.Err != nil {
		t.Errorf("report %+v", r)
	}
}

func TestStopCutsWhatIsOpenAfterTheDrain(t *testing.T) {
	to := target(t, echo)
	h := newHanging()
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("begun"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	config := direct()
	config.Drain = 100 * time.Millisecond
	config.Rules = append([]proxy.Rule{{Name: "hang", Match: hostIs("hang.example", h)}}, config.Rules...)
	w := open(t, config)

	tunnel := w.tunnel(to)
	idle := w.connect()
	dialling := w.connect()
	_, _ = dialling.Write(socksRequest("hang.example:1"))
	<-h.began
	stream := w.connect()
	_, _ = fmt.Fprintf(stream, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", site.URL)
	_, _ = stream.Read(make([]byte, 1))

	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := tunnel.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the tunnel ends with %v, want a reset", err)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection is open")
	}
	for _, r := range w.waitReports(3) {
		if !errors.Is(r.Err, proxy.ErrStopped) {
			t.Errorf("report %+v", r)
		}
	}
}

func TestServeReturnsTheErrorOfItsListener(t *testing.T) {
	ln := listen(t)
	_ = ln.Close()
	if err := proxy.New(direct()).Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
}

// exhausted is a listener that has no file descriptors for a while.
type exhausted struct {
	net.Listener
	left int
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.left > 0 {
		e.left--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return e.Listener.Accept()
}

func TestAcceptErrorsPass(t *testing.T) {
	to := target(t, echo)
	w := openOn(t, direct(), &exhausted{listen(t), 4})
	w.tunnel(to)
	if n := strings.Count(w.logText(), "accept"); n < 4 {
		t.Errorf("%d accept errors logged:\n%s", n, w.logText())
	}
}

func TestReconfigureConcernsNewConnectionsOnly(t *testing.T) {
	to := target(t, echo)
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) })
	config := direct()
	w := open(t, config)
	tunnel := w.tunnel(to)
	keepAlive := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(mustURL("http://" + w.addr))}}
	defer keepAlive.CloseIdleConnections()
	status := func() int {
		response, err := keepAlive.Get(site.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}
	if got := status(); got != 200 {
		t.Errorf("status %d before", got)
	}
	w.server.Reconfigure(proxy.Config{})
	if got := status(); got != 403 {
		t.Errorf("status %d after", got)
	}
	conn := w.connect()
	_, _ = conn.Write(socksRequest(to))
	if code := readSOCKS(t, conn); code != 2 {
		t.Errorf("reply %d after", code)
	}
	_, _ = tunnel.Write([]byte("open"))
	_ = tunnel.CloseWrite()
	if got, err := io.ReadAll(tunnel); err != nil || string(got) != "open" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTrafficCountsWhileATunnelIsOpen(t *testing.T) {
	to := target(t, echo)
	w := open(t, direct())
	conn := w.tunnel(to)
	_, _ = conn.Write(make([]byte, 1000))
	_, _ = io.ReadFull(conn, make([]byte, 1000))
	eventually(t, "the count", func() bool {
		return w.server.Traffic() == proxy.Traffic{Open: 1, Total: 1, Sent: 1000, Received: 1000}
	})
}

func TestManyTunnelsCarryTheirBytesUnharmed(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.Handshake = patience // a busy machine needs more than ten seconds for all of them
	w := open(t, config)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if err := echoSum(w.addr, to, 256<<10); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// echoSum sends n random bytes through a tunnel and compares what comes back.
func echoSum(proxyAddr, to string, n int64) error {
	conn, err := net.Dial("tcp", proxyAddr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(3 * patience))
	if _, err := conn.Write(socksRequest(to)); err != nil {
		return err
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || answer[3] != 0 {
		return fmt.Errorf("answer % x, %v", answer, err)
	}
	sent, got := sha256.New(), sha256.New()
	ended := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.MultiWriter(conn, sent), rand.Reader, n)
		ended <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	received, err := io.Copy(got, conn)
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	if received != n || string(sent.Sum(nil)) != string(got.Sum(nil)) {
		return fmt.Errorf("%d of %d bytes, or other bytes", received, n)
	}
	return nil
}

func TestGarbageAndSlowConnectionsHarmNobody(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.Handshake = patience
	w := open(t, config)
	for i := range 200 {
		conn := w.connect()
		_, _ = conn.Write([]byte{5, 'G', 'C'}[i%3 : i%3+1])
	}
	var all sync.WaitGroup
	good := make(chan error, 50)
	for range 50 {
		all.Go(func() { good <- echoSum(w.addr, to, 64<<10) })
	}
	gate := make(chan struct{}, 50)
	for seed := range 2000 {
		gate <- struct{}{}
		all.Go(func() {
			defer func() { <-gate }()
			conn, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			random := mathrand.New(mathrand.NewPCG(1, uint64(seed)))
			garbage := make([]byte, random.IntN(300)+1)
			for i := range garbage {
				garbage[i] = byte(random.Uint32())
			}
			garbage[0] = []byte{0, 4, 5, 'G', 0x16, 0x80, 0xff, 'P'}[seed%8]
			_, _ = conn.Write(garbage)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		})
	}
	all.Wait()
	close(good)
	for err := range good {
		if err != nil {
			t.Errorf("a good connection failed: %v", err)
		}
	}
	for line := range strings.Lines(w.logText()) {
		if !strings.Contains(line, `"level":"debug"`) {
			t.Errorf("garbage is logged above debug: %s", line)
		}
	}
}
