package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"fairlead/proxy"
)

// A dying Pod is a target that reads a request and ends the connection: in good order, by a reset, or within the answer.
type dying func(*net.TCPConn)

func closes(*net.TCPConn) {}

func resets(conn *net.TCPConn) { _ = conn.SetLinger(0) }

func breaksOff(conn *net.TCPConn) { _, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConte") }

// route dials the given targets in turn, the last one again and again, and counts.
func route(dials *atomic.Int64, targets ...string) proxy.Config {
	return by(func(ctx context.Context, network, _ string) (net.Conn, error) {
		n := min(int(dials.Add(1)), len(targets))
		return (&net.Dialer{}).DialContext(ctx, network, targets[n-1])
	})
}

func (d dying) target(t *testing.T, requests *atomic.Int64) string {
	return target(t, func(conn *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			requests.Add(1)
			d(conn)
		}
	})
}

func TestReadsThatMetADyingTargetAreSentOnceMore(t *testing.T) {
	for name, end := range map[string]dying{"closes": closes, "resets": resets} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(name+" "+method, func(t *testing.T) {
				var dials, requests atomic.Int64
				site := web(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Asked", r.RequestURI) })
				w := open(t, route(&dials, end.target(t, &requests), strings.TrimPrefix(site.URL, "http://")))
				response, _, err := w.rawHTTP(method, method+" http://web.example/a|b HTTP/1.1\r\nHost: x\r\n\r\n")
				if err != nil || response.StatusCode != 200 || response.Header.Get("X-Asked") != "/a|b" {
					t.Errorf("%+v, %v", response, err)
				}
				if r := w.waitReports(1)[0]; r.Err != nil || !r.Repeated || dials.Load() != 2 || requests.Load() != 1 {
					t.Errorf("%d dials, %d requests, report %+v", dials.Load(), requests.Load(), r)
				}
			})
		}
	}
}

// What is sent once more is not sent a third time, and nothing else is sent twice; no answer is never an empty one.
func TestWhatGetsNoAnswerIsSaid(t *testing.T) {
	get, post := "GET http://web.example/ HTTP/1.1\r\nHost: x\r\n", "POST http://web.example/ HTTP/1.1\r\nHost: x\r\n"
	for name, row := range map[string]struct {
		request string
		end     dying
		asked   int64
	}{
		"GET closed twice":      {get + "\r\n", closes, 2},
		"GET reset twice":       {get + "\r\n", resets, 2},
		"HEAD closed twice":     {strings.Replace(get, "GET", "HEAD", 1) + "\r\n", closes, 2},
		"GET with a body":       {get + "Content-Length: 2\r\n\r\nab", closes, 1},
		"GET, chunked":          {get + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", closes, 1},
		"GET, upgrade":          {get + "Connection: Upgrade\r\nUpgrade: chat\r\n\r\n", closes, 1},
		"POST":                  {post + "Content-Length: 2\r\n\r\nab", closes, 1},
		"POST without a body":   {post + "\r\n", resets, 1},
		"OPTIONS":               {strings.Replace(get, "GET", "OPTIONS", 1) + "\r\n", closes, 1},
		"DELETE":                {strings.Replace(get, "GET", "DELETE", 1) + "\r\n", resets, 1},
		"GET, answer begun":     {get + "\r\n", breaksOff, 1},
		"GET, interim answer":   {get + "\r\n", func(c *net.TCPConn) { _, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n") }, 1},
		"GET of HTTP/1.0":       {"GET http://web.example/ HTTP/1.0\r\n\r\n", closes, 2},
		"POST, answer begun":    {post + "Content-Length: 2\r\n\r\nab", breaksOff, 1},
		"POST, reset, no bytes": {post + "Content-Length: 2\r\n\r\nab", resets, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var dials, requests atomic.Int64
			w := open(t, route(&dials, row.end.target(t, &requests)))
			conn := w.connect()
			_, _ = io.WriteString(conn, row.request)
			ahead := bufio.NewReader(conn)
			response, err := http.ReadResponse(ahead, &http.Request{Method: strings.Fields(row.request)[0]})
			if err == nil && response.StatusCode == 103 {
				response, err = http.ReadResponse(ahead, nil)
			}
			if err != nil || response.StatusCode != 502 || response.Header.Get("Proxy-Status") == "" {
				t.Fatalf("%+v, %v", response, err)
			}
			r := w.waitReports(1)[0]
			if requests.Load() != row.asked || dials.Load() != row.asked || r.Repeated != (row.asked == 2) || r.Err == nil {
				t.Errorf("asked %d times on %d connections, report %+v", requests.Load(), dials.Load(), r)
			}
			var no *proxy.NoAnswerError
			begun := strings.Contains(name, "begun") || strings.Contains(name, "interim")
			if errors.As(r.Err, &no) == begun {
				t.Errorf("report %+v", r)
			}
			if !begun && (no.Target != "web.example:80" || no.Repeated != r.Repeated ||
				!strings.Contains(response.Header.Get("Proxy-Status"), "error=connection_terminated; ")) {
				t.Errorf("%+v, Proxy-Status %q", no, response.Header.Get("Proxy-Status"))
			}
		})
	}
}

// failingConn fails its first read with an error of its own.
type failingConn struct {
	*net.TCPConn
	err error
}

func (c failingConn) Read([]byte) (int, error) { return 0, c.err }

// Only a connection that is over is followed by another: what took too long, or is forbidden, would do so again.
func TestOnlyACutConnectionIsFollowedByAnother(t *testing.T) {
	site := web(t, func(http.ResponseWriter, *http.Request) {})
	for _, row := range []struct {
		err   error
		dials int64
		want  int
	}{
		{os.ErrDeadlineExceeded, 1, 504}, {os.ErrPermission, 1, 403}, {errors.New("something else"), 1, 502},
		{fmt.Errorf("cut: %w", syscall.ECONNRESET), 2, 502}, {syscall.EPIPE, 2, 502}, {io.ErrUnexpectedEOF, 2, 502},
		{fmt.Errorf("the Pod: %w", syscall.ECONNREFUSED), 2, 502}, {syscall.EHOSTUNREACH, 2, 503},
	} {
		t.Run(row.err.Error(), func(t *testing.T) {
			var dials atomic.Int64
			w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
				dials.Add(1)
				conn, err := through{}.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return failingConn{conn.(*net.TCPConn), row.err}, nil
			}))
			response, _, err := w.rawHTTP("GET", "GET "+site.URL+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
			if err != nil || response.StatusCode != row.want || dials.Load() != row.dials {
				t.Errorf("%d dials, %+v, %v", dials.Load(), response, err)
			}
		})
	}
}

// A client that leaves while its request is sent once more ends that too.
func TestClientThatLeavesIsNotAskedForAgain(t *testing.T) {
	var requests atomic.Int64
	dead := dying(closes).target(t, &requests)
	second := make(chan struct{})
	var dials atomic.Int64
	w := open(t, by(func(ctx context.Context, network, _ string) (net.Conn, error) {
		if dials.Add(1) == 1 {
			return (&net.Dialer{}).DialContext(ctx, network, dead)
		}
		close(second)
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	conn := w.connect()
	_, _ = io.WriteString(conn, "GET http://web.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
	<-second
	_ = conn.SetLinger(0)
	_ = conn.Close()
	if r := w.waitReports(1)[0]; !errors.Is(r.Err, proxy.ErrClientLeft) || !r.Repeated || dials.Load() != 2 {
		t.Errorf("%d dials, report %+v", dials.Load(), r)
	}
}

// A connection that was used before and is closed now is net/http's to replace; the new one may be cut as well.
func TestStaleConnectionAndDyingTargetAreBothOvercome(t *testing.T) {
	once := func(answer bool) string {
		return target(t, func(conn *net.TCPConn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil && answer {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				_, _ = http.ReadRequest(bufio.NewReader(conn))
			}
		})
	}
	var dials atomic.Int64
	w := open(t, route(&dials, once(true), once(false), once(true)))
	conn := w.connect()
	answers := bufio.NewReader(conn)
	for i := range 2 {
		_, _ = io.WriteString(conn, "GET http://web.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
		if response, err := http.ReadResponse(answers, nil); err != nil || response.StatusCode != 200 {
			t.Fatalf("request %d: %+v, %v", i, response, err)
		}
	}
	if dials.Load() != 3 {
		t.Errorf("%d dials", dials.Load())
	}
	w.waitReports(2)
}
