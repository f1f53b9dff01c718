package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/proxy"
	"fairlead/proxy/hostport"
)

// FuzzHandshake sends whatever it likes as the beginning of a connection and then its end. The proxy must answer or
// close in time, dial nothing that is no proper target, and not panic.
func FuzzHandshake(f *testing.F) {
	for _, seed := range []string{
		"", "\x05", "\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50hello", "\x05\x01\x00\x05\x01\x00\x03\x01x\x00\x50", "\x05\x00", "\x05\xff",
		"\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", "\x05\x01\x00\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f\x00\x00\x01\x00\x50",
		"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nearly", "CONNECT [::1]:1 HTTP/1.0\r\n\r\n", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\nGET http://b/ HTTP/1.0\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"GET http://u:p@[::1]:80/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"\x04\x01\x00\x50\x00\x00\x00\x01me\x00e.cho\x00early", "\x16\x03\x01\x00\x05hello", "\x04\x01\x00\x50\x00\x00\x00\x01\x00a\x00", "GET / HTTP/1.1\r\nHost: \x00\r\n\r\n",
		"\x05\x02\x00\x02\x01\x01u\x01p", "\x05\x01\x02\x01\x00\x00", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
		"\x16\x03\x01\x00\x05hello!", "\x04\x01\x00\x50\x7f\x00\x00\x01u\x00", "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: null\r\n\r\n",
		"POST http://a/%|x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\n\r\n", "GET http://a/\\ HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
		"GET http://a:1/ HTTP/1.1\r\nHost: a@\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	// Sockets of the file system: thousands of TCP connections a second would use up this machine's ports.
	address := filepath.Join(f.TempDir(), "proxy")
	f.Fuzz(func(t *testing.T, said []byte) {
		config := by(func(_ context.Context, _, address string) (net.Conn, error) {
			if to, err := hostport.Parse(address); err != nil || to.String() != address {
				t.Errorf("dialled %q", address)
			}
			return nil, errors.New("nobody")
		})
		reports := make(chan proxy.Connection, 100)
		config.Events = func(e proxy.Event) {
			if e.Kind == proxy.EventClosed {
				reports <- e.Connection
			}
		}
		config.Handshake, config.Drain = time.Second, time.Millisecond
		if guarded := len(said)%2 == 1; guarded {
			config.Credentials = &proxy.Credentials{User: "u", Password: strings.Repeat("never guessed", 4)}
			dial := config.Rules[0].Dialer
			config.Rules[0].Dialer = dialerFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
				t.Errorf("%q is let in without the password", said)
				return dial.DialContext(ctx, network, address)
			})
		}
		ln, err := net.Listen("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- proxy.New(config).Serve(ctx, ln) }()
		conn, err := net.Dial("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = conn.Write(said)
		_ = conn.(*net.UnixConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%q is neither answered nor closed", said)
		}
		if strings.HasPrefix(string(answer), "HTTP/1.1 200 Connection") {
			t.Errorf("%q is connected with nobody", said)
		}
		// Nobody is reached, so every answer is the proxy's own, and none is net/http's.
		if bare := "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"; strings.Contains(string(answer), bare) ||
			strings.HasPrefix(string(answer), "HTTP/1.1 4") && !strings.Contains(string(answer), "\r\nProxy-Status: ") {
			t.Errorf("%q is answered with %q", said, answer)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		close(reports)
		for r := range reports {
			if r.Err == nil {
				t.Errorf("a good end is reported for %q: %+v", said, r)
			}
		}
	})
}
