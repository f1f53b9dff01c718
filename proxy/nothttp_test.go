package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/proxy"
)

func TestATargetThatSpeaksNoHTTPIsCalledSo(t *testing.T) {
	answers := func(text string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
		}
	}
	greets := func(text string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, text)
			_, _ = io.Copy(io.Discard, conn)
		}
	}
	for name, row := range map[string]struct {
		speaks  func(*net.TCPConn)
		tls, is bool
	}{
		"redis":        {answers("-ERR wrong number of arguments for 'get' command\r\n"), false, true},
		"ssh":          {greets("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), false, true},
		"mail":         {greets("220 mail.example ESMTP\r\n"), false, true},
		"mysql":        {greets("\x4a\x00\x00\x00\x0a8.0.36\x00"), false, true},
		"TLS alert":    {answers("\x15\x03\x01\x00\x02\x02\x46"), true, true},
		"one byte":     {answers("\x00"), false, true},
		"broken HTTP":  {answers("HTTP/1.1 zero\r\n\r\n"), false, false},
		"half of HTTP": {answers("HT"), false, false},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+" "+method, func(t *testing.T) {
				var dials atomic.Int64
				w := open(t, route(&dials, target(t, row.speaks)))
				response, _, err := w.rawHTTP(method, method+" http://db.example:6379/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
				if err != nil || response.StatusCode != 502 {
					t.Fatalf("%+v, %v", response, err)
				}
				said := response.Header.Get("Proxy-Status")
				r := w.waitReports(1)[0]
				not, ok := errors.AsType[*proxy.NotHTTPError](r.Err)
				if ok != row.is || ok && (not.TLS != row.tls || not.Target != "db.example:6379" || !strings.Contains(said, "http_protocol_error")) {
					t.Errorf("report %+v, Proxy-Status %s", r, said)
				}
				if _, word := errors.AsType[textproto.ProtocolError](r.Err); row.is && (!word || r.Repeated || dials.Load() != 1) {
					t.Errorf("%d dials, report %+v", dials.Load(), r)
				}
			})
		}
	}
}

// A greeting that comes while nothing is asked yet is read before the request is written, or after.
func TestALateGreetingIsNoHTTPEither(t *testing.T) {
	var dials atomic.Int64
	w := open(t, route(&dials, target(t, func(conn *net.TCPConn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		for _, part := range []string{"SS", "H-2.0-x\r\n"} {
			_, _ = io.WriteString(conn, part)
			time.Sleep(10 * time.Millisecond) // so that they arrive apart
		}
	})))
	if response, _, err := w.rawHTTP("GET", "GET http://db.example:22/ HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil || response.StatusCode != 502 {
		t.Fatalf("%+v, %v", response, err)
	}
	if r := w.waitReports(1)[0]; !errors.As(r.Err, new(*proxy.NotHTTPError)) {
		t.Errorf("report %+v", r)
	}
}
