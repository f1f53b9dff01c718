package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
)

func TestBodiesAndTrailersPassBothWays(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Trailer", "X-Sum")
		n, err := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", fmt.Sprintf("%d %v %s %v", n, err, r.Trailer.Get("X-Sent"), r.TransferEncoding))
	})
	w := open(t, direct())
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	r, _ := http.NewRequestWithContext(t.Context(), "PUT", site.URL, io.MultiReader(bytes.NewReader(body)))
	r.Trailer = http.Header{"X-Sent": {"all of it"}}
	response, err := w.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if sum := response.Trailer.Get("X-Sum"); sum != "1000000 <nil> all of it [chunked]" {
		t.Errorf("trailer %q", sum)
	}
}

func TestResponseIsStreamed(t *testing.T) {
	next := make(chan struct{})
	site := web(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		<-next
		_, _ = w.Write([]byte("later"))
	})
	w := open(t, direct())
	response, err := w.client().Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got := make([]byte, 5)
	if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != "first" {
		t.Fatalf("%q, %v", got, err)
	}
	close(next)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "later" {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestExpectContinueReachesTheTarget(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Refuse") != "" {
			http.Error(w, "no", http.StatusExpectationFailed) // without reading the body
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%d", len(body))
	})
	w := open(t, direct())
	out, code := curl(t, "-x", "http://"+w.addr, "-H", "Expect: 100-continue", "--expect100-timeout", "15", "-d", "12345", "-v", site.URL)
	if code != 0 || !strings.Contains(out, "100 Continue") || !strings.Contains(out, "5") {
		t.Errorf("exit %d: %s", code, out)
	}
	out, _ = curl(t, "-x", "http://"+w.addr, "-H", "Expect: 100-continue", "-H", "X-Refuse: 1", "-d", "12345", "-w", "%{http_code} %{size_upload}", "-o", "/dev/null", site.URL)
	if out != "417 0" {
		t.Errorf("refused: %q", out)
	}
}

func TestHTTP10ClientIsServed(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("in "))
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write([]byte("pieces"))
	})
	w := open(t, direct())
	response, body, err := w.rawHTTP("GET", "GET "+site.URL+" HTTP/1.0\r\n\r\n")
	if err != nil || body != "in pieces" || len(response.TransferEncoding) != 0 {
		t.Errorf("%q, %v, %+v", body, err, response)
	}
}

func TestRequestFollowedByFINIsAnswered(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(100 * time.Millisecond)
		_, _ = w.Write([]byte("answer"))
	})
	w := open(t, direct())
	for _, version := range []string{"1.0", "1.1"} {
		conn := w.connect()
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/%s\r\nHost: x\r\n\r\n", site.URL, version)
		_ = conn.CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || !bytes.HasSuffix(got, []byte("answer")) {
			t.Errorf("HTTP/%s: %q, %v", version, got, err)
		}
	}
}

func TestResponseThatWasCutDoesNotLookComplete(t *testing.T) {
	for name, head := range map[string]string{
		"length":          "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
		"chunked":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
		"until the close": "HTTP/1.0 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			to := target(t, func(conn *net.TCPConn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, head+"only this")
				<-time.After(50 * time.Millisecond) // or the reset overtakes the bytes
				_ = conn.SetLinger(0)
			})
			w := open(t, direct())
			for _, version := range []string{"1.0", "1.1"} {
				_, body, err := w.rawHTTP("GET", fmt.Sprintf("GET http://%s/ HTTP/%s\r\nHost: x\r\n\r\n", to, version))
				if err == nil {
					t.Errorf("HTTP/%s client took %q for complete", version, body)
				}
			}
			for _, r := range w.waitReports(2) {
				if r.Err == nil || r.Stage != proxy.StageRelay {
					t.Errorf("report %+v", r)
				}
			}
		})
	}
}

func TestUploadThatWasCutDoesNotLookComplete(t *testing.T) {
	read := make(chan error, 1)
	site := web(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	})
	w := open(t, direct())
	conn := w.connect()
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", site.URL)
	eventually(t, "the bytes to arrive", func() bool { return w.server.Traffic().Sent > 5 })
	_ = conn.Close()
	if err := <-read; err == nil {
		t.Error("the target took the body for complete")
	}
}

func TestClientThatLeavesADownloadEndsIt(t *testing.T) {
	gone := make(chan struct{})
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 32<<10))
		}
		close(gone)
	})
	w := open(t, direct())
	conn := w.connect()
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", site.URL)
	_, _ = io.CopyN(io.Discard, conn, 1<<20)
	_ = conn.Close()
	<-gone
	if r := w.waitReports(1)[0]; r.Err != nil || r.Received < 1<<20 {
		t.Errorf("report %+v", r)
	}
}

// deafConn takes one piece of what is sent, and says what its target said only after the next one has failed.
type deafConn struct {
	*net.TCPConn
	took   atomic.Bool
	failed chan struct{}
	once   sync.Once
}

func (c *deafConn) Write(p []byte) (int, error) {
	if c.took.Swap(true) {
		c.once.Do(func() { close(c.failed) })
		return 0, syscall.EPIPE
	}
	return c.TCPConn.Write(p)
}

func (c *deafConn) Read(p []byte) (int, error) {
	<-c.failed
	return c.TCPConn.Read(p)
}

// A target that answers an upload early and takes no more of it: its answer reaches the client whole.
func TestEarlyAnswerToAnUploadArrives(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large")
			_, _ = io.Copy(io.Discard, conn)
		}
	})
	w := open(t, by(func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, to)
		if err != nil {
			return nil, err
		}
		return &deafConn{TCPConn: conn.(*net.TCPConn), failed: make(chan struct{})}, nil
	}))
	out, _ := curl(t, "-x", "http://"+w.addr, "-H", "Expect:", "-w", " %{http_code}", "--data-binary", strings.Repeat("x", 100_000), "http://deaf.example/")
	if out != "too large 413" {
		t.Errorf("curl got %q", out)
	}
}
