package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/proxy"
)

// loopbackListener is a Unix socket whose connections say that they are of this machine's loopback, port 1080: thousands of TCP
// connections a second would use up this machine's ports.
type loopbackListener struct{ net.Listener }

func (l loopbackListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return loopbackConn{conn.(*net.UnixConn)}, nil
}

type loopbackConn struct{ *net.UnixConn }

func (loopbackConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1080} }
func (loopbackConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000}
}

// FuzzPages asks the proxy for itself, by any name and for any site. Only a request that names this machine's loopback, and is no
// other site's, learns that a proxy is here; nothing is dialled, and nobody is asked for a password.
func FuzzPages(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/", "127.0.0.1:1080", ""}, {"GET", "/proxy.pac", "localhost:1080", "Sec-Fetch-Site: none"}, {"HEAD", "/", "[::1]:1080", "Origin: http://[::1]:1080"},
		{"GET", "/", "evil.example:1080", ""}, {"GET", "/", "127.0.0.1:1080", "Sec-Fetch-Site: cross-site"}, {"POST", "/", "127.0.0.1:1080", "Origin: null"},
		{"GET", "/", "127.0.0.1.evil.example:1080", "X-Forwarded-Host: 127.0.0.1:1080"}, {"GET", "/%zz", "LOCALHOST:1080", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site"},
		{"GET", "/", "127.0.0.1:1080", "Host: evil.example"}, {"OPTIONS", "/", "127.1.2.3:1080", "Access-Control-Request-Private-Network: true"}, {"GET", "//x/../", "[::ffff:127.0.0.1]:1080", "Connection: close"},
		{"GET", "/", "127.0.0.1:1080", "origin: http://127.0.0.1:1080\r\nORIGIN: http://evil.example"}, {"GET", "/", "[::1%25lo]:1080", "Transfer-Encoding: chunked"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	config := guarded(by(func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, errors.New("dialled " + address)
	}))
	config.Pages = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "one of our pages") })
	config.Handshake, config.Drain = 2*time.Second, time.Millisecond
	address := filepath.Join(f.TempDir(), "proxy")
	ln, err := net.Listen("unix", address)
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- proxy.New(config).Serve(ctx, loopbackListener{ln}) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, method, path, host, header string) {
		request := method + " /" + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + header + "\r\n\r\n"
		conn, err := net.Dial("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, request)
		_ = conn.(*net.UnixConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
			t.Errorf("%q is neither answered nor closed", request)
		}
		for _, never := range []string{"dialled", "Access-Control", "panic"} {
			if strings.Contains(string(answer), never) && !strings.Contains(request, never) {
				t.Errorf("%q is answered with %q", request, answer)
			}
		}
		read, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err != nil || !strings.HasPrefix(read.RequestURI, "/") || len(header)+len(host) > 60_000 {
			return
		}
		if len(answer) > 0 && !ownPageAsked(read) {
			t.Errorf("%q is answered with %q", request, answer)
		}
		if bytes.Contains(answer, []byte("one of our pages")) && (!ownPageAsked(read) || read.Method != http.MethodGet) {
			t.Errorf("%q gets the page", request)
		}
	})
}

// ownPageAsked reports whether a request names this machine's loopback and no other site.
func ownPageAsked(r *http.Request) bool {
	name, port, err := net.SplitHostPort(r.Host)
	ip, notIP := netip.ParseAddr(name)
	if err != nil || port != "1080" || !strings.EqualFold(name, "localhost") && (notIP != nil || !ip.Unmap().IsLoopback()) {
		return false
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "" && site != "none" && site != "same-origin" {
			return false
		}
	}
	for _, origin := range r.Header["Origin"] {
		if !strings.EqualFold(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(origin), "http://"), "https://"), r.Host) {
			return false
		}
	}
	return true
}
