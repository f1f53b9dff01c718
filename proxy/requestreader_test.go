package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"fairlead/proxy/admission"
	"fairlead/proxy/http1"
	"fairlead/proxy/stream"
)

// saidConn is a client that has said something and ended its direction.
type saidConn struct {
	net.Conn
	said io.Reader
}

func (c saidConn) Read(p []byte) (int, error)      { return c.said.Read(p) }
func (c saidConn) SetReadDeadline(time.Time) error { return nil }

// halting reads in pieces of a size that differs.
type halting struct {
	said io.Reader
	size int
}

func (r *halting) Read(p []byte) (int, error) {
	r.size = r.size%7 + 1
	return r.said.Read(p[:min(len(p), r.size)])
}

// FuzzRequestReader says whatever it likes to a requestReader, from which net/http's own parser reads. They must agree on
// every request: that it is one, on its method, its body's length, and where it ends.
func FuzzRequestReader(f *testing.F) {
	for _, seed := range []string{
		"GET http://a/b|c HTTP/1.1\r\nHost: a\r\n\r\nHEAD http://a/ HTTP/1.0\n\n", "POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\nGET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /\x00 HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\neager",
	} {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(1))
	}
	cut, cancel := context.WithCancel(context.Background())
	cancel()
	f.Fuzz(func(t *testing.T, said []byte, pieces byte) {
		var from io.Reader = bytes.NewReader(said)
		if pieces > 0 {
			from = &halting{from, int(pieces)}
		}
		place := new(admission.Gate).Await(nil, nil, 1, false)
		h := newHTTPClient(&connection{cut: cut, config: (&Config{}).withDefaults(), place: place}, &stream.Peeked{Conn: saidConn{said: from}})
		requests := bufio.NewReader(h)
		for {
			h.requests.head = nil
			r, err := http.ReadRequest(requests)
			head := h.requests.head
			if head == nil {
				return // no more came
			}
			if err != nil {
				t.Fatalf("net/http does not read %q: %v", head.Text, err)
			}
			if agreeOnRequest(t, said, head, r); head.Refused != nil {
				return
			}
			_, err = io.Copy(io.Discard, r.Body)
			switch {
			case err != nil && !h.requests.broken.Load() && err != io.ErrUnexpectedEOF:
				t.Fatalf("net/http does not read a body: %v", err)
			case err != nil:
				return
			case h.requests.broken.Load():
				t.Fatal("net/http reads a body that has no end")
			case !h.requests.whole.Load() || requests.Buffered() != 0:
				t.Fatalf("net/http reads a request to its end, and %d bytes more", requests.Buffered())
			case r.Method == http.MethodConnect:
				rest, _ := io.ReadAll(from)
				if rest = append(h.requests.rest(), rest...); !bytes.HasSuffix(said, rest) {
					t.Fatalf("%q is left for the tunnel", rest)
				}
				return
			case r.Close:
				return
			}
			h.requests.done()
		}
	})
}

// agreeOnRequest fails the test if net/http reads a request in another way than its head says.
func agreeOnRequest(t *testing.T, said []byte, head *http1.RequestHead, r *http.Request) {
	t.Helper()
	length := head.Length
	if head.Chunked {
		length = -1
	}
	if r.Method != head.Method || r.RequestURI != "/" || r.ContentLength != length {
		t.Fatalf("%q is read as %+v", head.Text, r)
	}
	if !bytes.Contains(said, []byte(head.Target)) || strings.ContainsAny(head.Target, " \r\n\t\x00") {
		t.Fatalf("the target is %q", head.Target)
	}
	if rest := strings.ReplaceAll(string(head.Text), "\r\n", ""); strings.ContainsAny(rest, "\r\n\x00") {
		t.Fatalf("lines are not ended alike in %q", head.Text)
	}
}
