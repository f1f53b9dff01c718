package upstream

import (
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzTunnel lets a forward proxy answer whatever it likes. The handshake must end with it, and take nothing but a
// grant for one; what stands behind a grant is the target's, to the byte.
func FuzzTunnel(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\n\r\nearly", "HTTP/1.1 407 No\r\n\r\n", "HTTP/1.0 502 x\r\nProxy-Status: x; error=dns_error\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nearly", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
		"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00early", "\x05\x02\x01\x00\x05\x05\x00\x03\x01a\x00\x00", "\x05\xff", "\x05\x00\x05\x00\x00\x09", "",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, said []byte, socks bool) {
		conn, upstream := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = upstream.Write(said)
			_ = upstream.Close()
		}()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		via := &url.URL{Scheme: "http", User: url.UserPassword("u", "p")}
		if socks {
			via.Scheme = "socks5"
		}
		if err := (Dialer{}).tunnel(discarding{conn}, via, "a.example:443"); err == nil {
			rest, _ := io.ReadAll(conn)
			head := said[:len(said)-len(rest)]
			if !strings.HasSuffix(string(said), string(rest)) || socks && head[0] != 5 || !socks && !strings.HasPrefix(string(head), "HTTP/") {
				t.Errorf("%q is taken for a grant, with %q behind it", said, rest)
			}
		}
		_ = conn.Close()
		<-ended
	})
}

// discarding takes what is written for read by the other side.
type discarding struct{ net.Conn }

func (discarding) Write(p []byte) (int, error) { return len(p), nil }
