package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	xproxy "golang.org/x/net/proxy"

	"fairlead/proxy"
)

// socksRequest is greeting and CONNECT for a name or an address, in one piece.
func socksRequest(address string) []byte {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		panic(err)
	}
	port, _ := strconv.Atoi(digits)
	b := []byte{5, 1, 0, 5, 1, 0}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		b = append(append(b, 1), ip.AsSlice()...)
	} else if err == nil {
		b = append(append(b, 4), ip.AsSlice()...)
	} else {
		b = append(append(b, 3, byte(len(host))), host...)
	}
	return append(b, byte(port>>8), byte(port))
}

// readSOCKS reads both answers and returns the reply code.
func readSOCKS(t *testing.T, conn io.Reader) byte {
	t.Helper()
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatalf("SOCKS answer: %v (got % x)", err, answer)
	}
	if !bytes.Equal(answer[:3], []byte{5, 0, 5}) || !bytes.Equal(answer[4:], []byte{0, 1, 0, 0, 0, 0, 0, 0}) {
		t.Fatalf("SOCKS answer % x", answer)
	}
	return answer[3]
}

// tunnel opens a SOCKS5 tunnel.
func (w *world) tunnel(address string) *net.TCPConn {
	w.t.Helper()
	conn := w.connect()
	if _, err := conn.Write(socksRequest(address)); err != nil {
		w.t.Fatal(err)
	}
	if code := readSOCKS(w.t, conn); code != 0 {
		w.t.Fatalf("SOCKS reply %d", code)
	}
	return conn
}

func TestFailuresHaveTheirOwnCodes(t *testing.T) {
	causes := []struct {
		name   string
		err    error
		reply  byte
		status int
	}{
		{"unknown", &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, 4, 502},
		{"refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 5, 502},
		{"notready", fmt.Errorf("pods: %w", syscall.EHOSTUNREACH), 4, 503},
		{"netdown", syscall.ENETUNREACH, 3, 502},
		{"forbidden", fmt.Errorf("user: %w", fs.ErrPermission), 2, 403},
		{"late", fmt.Errorf("dial: %w", context.DeadlineExceeded), 6, 504},
		{"kernel-late", syscall.ETIMEDOUT, 6, 504},
		{"dns-late", &net.DNSError{Err: "timeout", Name: "x", IsTimeout: true}, 6, 504},
		{"unsupported", errors.ErrUnsupported, 4, 502},
		{"other", errors.New("something\r\nelse"), 1, 502},
	}
	w := open(t, by(func(_ context.Context, _, address string) (net.Conn, error) {
		for _, c := range causes {
			if strings.HasPrefix(address, c.name+":") {
				return nil, c.err
			}
		}
		return nil, errors.New("not in the table")
	}))
	for _, c := range causes {
		t.Run(c.name, func(t *testing.T) {
			conn := w.connect()
			if _, err := conn.Write(socksRequest(c.name + ":80")); err != nil {
				t.Fatal(err)
			}
			if code := readSOCKS(t, conn); code != c.reply {
				t.Errorf("SOCKS reply %d, want %d", code, c.reply)
			}
			if rest, err := io.ReadAll(conn); err != nil || len(rest) != 0 {
				t.Errorf("after the reply %q, %v", rest, err)
			}
			for _, tunnel := range []string{"--proxytunnel", "--no-proxytunnel"} {
				out, _ := curl(t, "-o", "/dev/null", "-w", "%{http_code} %{http_connect}", "--proxy", "http://"+w.addr, tunnel, "http://"+c.name+"/")
				if !strings.Contains(out, strconv.Itoa(c.status)) {
					t.Errorf("curl %s says %q, want status %d", tunnel, out, c.status)
				}
			}
		})
	}
	w.waitReports(3 * len(causes))
	for _, r := range w.reports {
		if r.Stage != proxy.StageDial || r.Err == nil || r.Answer.SOCKS5 == 0 || strings.ContainsAny(r.Answer.Text, "\r\n") {
			t.Errorf("report %+v", r)
		}
	}
}

func TestRuleWithoutDialerRefuses(t *testing.T) {
	config := direct()
	config.Rules = append([]proxy.Rule{
		{Name: "ask", Match: func(_ context.Context, to proxy.Target) (proxy.Dialer, error) {
			switch to.Host {
			case "broken":
				return nil, &net.DNSError{Err: "no such host", Name: to.Host, IsNotFound: true}
			case "outside.example":
				return nil, nil
			}
			return through{}, nil
		}},
		{Name: "never"},
	}, config.Rules...)
	w := open(t, config)
	for host, want := range map[string]byte{"outside.example": 2, "broken": 4} {
		conn := w.connect()
		if _, err := conn.Write(socksRequest(host + ":443")); err != nil {
			t.Fatal(err)
		}
		if code := readSOCKS(t, conn); code != want {
			t.Errorf("%s: reply %d, want %d", host, code, want)
		}
	}
	reports := w.waitReports(2)
	var refused *proxy.RouteError
	if reports[0].Stage != proxy.StageRoute || reports[0].Rule != "ask" || errors.As(reports[0].Err, &refused) {
		t.Errorf("report %+v", reports[0])
	}
	if reports[1].Stage != proxy.StageRoute || !errors.As(reports[1].Err, &refused) || refused.Rule != "never" {
		t.Errorf("report %+v", reports[1])
	}
}

func TestZeroConfigRefusesEverything(t *testing.T) {
	w := open(t, proxy.Config{})
	conn := w.connect()
	if _, err := conn.Write(socksRequest("127.0.0.1:80")); err != nil {
		t.Fatal(err)
	}
	if code := readSOCKS(t, conn); code != 2 {
		t.Errorf("reply %d", code)
	}
}

func TestSOCKSCommandsAndMalformedRequests(t *testing.T) {
	w := open(t, direct())
	for name, c := range map[string]struct{ send, want []byte }{
		"bind":             {[]byte{5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80}, []byte{5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0}},
		"associate":        {[]byte{5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0}, []byte{5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0}},
		"associate a name": {[]byte{5, 1, 0, 5, 3, 0, 3, 1, 'x', 0, 0}, []byte{5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0}},
		"command 9":        {[]byte{5, 1, 0, 5, 9, 0, 1, 0, 0, 0, 0, 0, 0}, []byte{5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0}},
		"address type 9":   {[]byte{5, 1, 0, 5, 1, 0, 9, 0, 0, 0, 0, 0, 0}, []byte{5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0}},
		"empty name":       {[]byte{5, 1, 0, 5, 1, 0, 3, 0, 0, 80}, []byte{5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0}},
		"newline in name":  {[]byte{5, 1, 0, 5, 1, 0, 3, 3, 'a', '\n', 'b', 0, 80}, []byte{5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0}},
		"port 0":           {[]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 0}, []byte{5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0}},
		"no method fits":   {[]byte{5, 1, 1}, []byte{5, 255}},
		"no methods":       {[]byte{5, 0}, []byte{5, 255}},
		"version changes":  {[]byte{5, 1, 0, 4, 1, 0, 1, 127, 0, 0, 1, 0, 80}, []byte{5, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := w.connect()
			if _, err := conn.Write(append(c.send, "and more that nobody reads"...)); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(conn)
			if err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("got % x, %v, want % x", got, err, c.want)
			}
		})
	}
	w.waitReports(0)
}

func TestSOCKSClientOfXNetReachesItsTarget(t *testing.T) {
	to := target(t, echo)
	w := open(t, direct())
	dialer, err := xproxy.SOCKS5("tcp", w.addr, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ping" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestMappedIPv4AddressIsIPv4(t *testing.T) {
	asked := make(chan string, 1)
	w := open(t, by(func(_ context.Context, _, address string) (net.Conn, error) {
		asked <- address
		return nil, syscall.ECONNREFUSED
	}))
	conn := w.connect()
	if _, err := conn.Write(socksRequest("[::ffff:10.1.2.3]:80")); err != nil {
		t.Fatal(err)
	}
	readSOCKS(t, conn)
	if got := <-asked; got != "10.1.2.3:80" {
		t.Errorf("dialled %s", got)
	}
}

func TestRequestInSingleBytesIsUnderstood(t *testing.T) {
	to := target(t, echo)
	w := open(t, direct())
	for _, request := range [][]byte{
		append(socksRequest(to), "early"...),
		[]byte("CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n\r\nearly"),
	} {
		conn := w.connect()
		_ = conn.SetNoDelay(true)
		for i := range request {
			if _, err := conn.Write(request[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.CloseWrite()
		all, err := io.ReadAll(conn)
		if err != nil || !bytes.HasSuffix(all, []byte("early")) {
			t.Errorf("got %q, %v", all, err)
		}
	}
}

func TestSilentClientIsClosedAfterTheHandshakeTime(t *testing.T) {
	config := direct()
	config.Handshake = 300 * time.Millisecond
	w := open(t, config)
	for _, said := range []string{"", "\x05", "\x05\x01\x00\x05\x01", "G", "GET http://x/ HTTP/1.1\r\nHost:"} {
		conn := w.connect()
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("after %q: %v", said, err)
		}
	}
	w.waitReports(0)
}
