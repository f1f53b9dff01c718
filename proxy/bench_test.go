package proxy_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"fairlead/proxy"
)

// benchmark starts a target and a Server for it.
func benchmark(b *testing.B, config proxy.Config, handle func(net.Conn)) (proxyAddr, to string) {
	serve := func(accepted func(net.Conn)) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go accepted(conn)
			}
		}()
		return ln.Addr().String()
	}
	to = serve(func(conn net.Conn) { defer func() { _ = conn.Close() }(); handle(conn) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- proxy.New(config).Serve(ctx, ln) }()
	b.Cleanup(func() { cancel(); <-ended })
	return ln.Addr().String(), to
}

func BenchmarkHandshake(b *testing.B) {
	addr, to := benchmark(b, direct(), func(net.Conn) {})
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = conn.Write(socksRequest(to))
			if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
				b.Error(err)
			}
			_ = conn.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
}

// BenchmarkThroughput measures a download through the proxy and without it, and their ratio.
func BenchmarkThroughput(b *testing.B) {
	const size = 256 << 20
	addr, to := benchmark(b, direct(), func(conn net.Conn) {
		chunk := make([]byte, 256<<10)
		for range size / len(chunk) {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	})
	read := func(conn net.Conn) time.Duration {
		defer func() { _ = conn.Close() }()
		buffer := make([]byte, 256<<10)
		begin := time.Now()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, buffer)
		if err != nil || n != size {
			b.Fatalf("%d bytes, %v", n, err)
		}
		return time.Since(begin)
	}
	var through, without time.Duration
	for b.Loop() {
		conn, err := net.Dial("tcp", to)
		if err != nil {
			b.Fatal(err)
		}
		without += read(conn)
		if conn, err = net.Dial("tcp", addr); err != nil {
			b.Fatal(err)
		}
		_, _ = conn.Write(socksRequest(to))
		_, _ = io.ReadFull(conn, make([]byte, 12))
		through += read(conn)
	}
	mib := float64(b.N) * size / (1 << 20)
	b.ReportMetric(mib/through.Seconds(), "MiB/s")
	b.ReportMetric(mib/without.Seconds(), "direct-MiB/s")
	b.ReportMetric(without.Seconds()/through.Seconds(), "ratio")
}

// BenchmarkIdle measures what an idle tunnel holds, without the kernel's part; the client and the target of the
// benchmark are in it, with about 1 KiB and one goroutine (which is taken off) of theirs.
func BenchmarkIdle(b *testing.B) {
	for protocol := range tunnelRequests("x:1") {
		b.Run(protocol, func(b *testing.B) { benchmarkIdle(b, protocol) })
	}
}

func benchmarkIdle(b *testing.B, protocol string) {
	const tunnels = 1000
	quit := make(chan struct{})
	defer close(quit)
	config := direct()
	config.MaxConnections = 4 * tunnels // those of the round before may not be closed yet
	addr, to := benchmark(b, config, func(net.Conn) { <-quit })
	request, answer := tunnelRequests(to)[protocol], make([]byte, 12)
	measure := func() (uint64, int) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse, runtime.NumGoroutine()
	}
	for b.Loop() {
		memory, goroutines := measure()
		var open []net.Conn
		for range tunnels {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = conn.Write(request)
			_, _ = io.ReadFull(conn, answer)
			open = append(open, conn)
		}
		memoryOpen, goroutinesOpen := measure()
		b.ReportMetric(float64(memoryOpen-memory)/tunnels, "B/tunnel")
		b.ReportMetric(float64(goroutinesOpen-goroutines)/tunnels-1, "goroutines/tunnel")
		for _, conn := range open {
			_ = conn.Close()
		}
	}
}
