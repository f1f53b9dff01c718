package portforward

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func benchWorld(b *testing.B) *world {
	w := newWorld(b)
	w.lag = time.Second
	w.program(80, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body) // it has none
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		}
	})
	w.program(1, func(c net.Conn) {
		p := make([]byte, 256<<10)
		for {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	})
	w.program(2, func(c net.Conn) { io.Copy(io.Discard, c) }) // a sink
	return w
}

// BenchmarkShortRequests is 32 clients that connect, ask, read the answer and close.
func BenchmarkShortRequests(b *testing.B) {
	w := benchWorld(b)
	f := w.forwarder(nil)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 32 {
		wg.Go(func() {
			answer := make([]byte, 43)
			for left.Add(-1) >= 0 {
				c, err := dial(w.t, f, at(80))
				if err != nil {
					b.Error(err)
					return
				}
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if _, err := io.ReadFull(c, answer); err != nil {
					b.Error(err)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	st := f.Stats()
	b.ReportMetric(float64(st.Dialled), "dials")
	b.ReportMetric(float64(st.Retired), "retired")
	b.ReportMetric(float64(st.Shared), "shared")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkDownload(b *testing.B) {
	w := benchWorld(b)
	f := w.forwarder(nil)
	c, err := dial(w.t, f, at(1))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.SetBytes(1 << 20)
	b.ResetTimer()
	if _, err := io.CopyN(io.Discard, c, int64(b.N)<<20); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkUpload(b *testing.B) {
	w := benchWorld(b)
	f := w.forwarder(nil)
	c, err := dial(w.t, f, at(2))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.SetBytes(1 << 20)
	b.ResetTimer()
	if _, err := io.Copy(c, io.LimitReader(zeros{}, int64(b.N)<<20)); err != nil {
		b.Fatal(err)
	}
}
