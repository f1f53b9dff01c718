package konnecttest

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/build/bench/process"
	"fairlead/build/bench/report"
)

// BenchmarkThroughput downloads through a Konnectivity server: with Fairlead in front of each server, and with a client
// of CONNECT alone, in turn, so that other work on the machine concerns all of them alike. For each mode it reports the
// medians, those of Fairlead as a part of the client's, and the processor time of Fairlead alone. A mode that has no such
// client is compared with that of http-connect:
//
//	task bench:konnectivity
func BenchmarkThroughput(b *testing.B) {
	l := newLab(b)
	for _, mode := range modes {
		s := l.serve(b, mode)
		plain := mode
		if mode == "grpc" {
			plain = "http-connect"
		}
		own := subject{
			dial: func() (net.Conn, error) { return connect("tcp", s.address, nil, "web.tunnel.pod:8080") },
			cpu:  func() (time.Duration, error) { return process.CPUOf(s.cmd.Process.Pid) },
		}
		bare := subject{dial: func() (net.Conn, error) { return l.bare(b, plain, "10.244.77.11:8080") }}
		b.Run(mode, func(b *testing.B) {
			for b.Loop() {
				own.turn(b)
				bare.turn(b)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(report.Quantile(own.rates, 0.5), "MiB/s")
			b.ReportMetric(report.Quantile(own.rates, 0.5)/report.Quantile(bare.rates, 0.5), "rate/bare")
			b.ReportMetric(report.Quantile(own.firsts, 0.5), "first-ms")
			b.ReportMetric(report.Quantile(own.firsts, 0.5)/report.Quantile(bare.firsts, 0.5), "first/bare")
			b.ReportMetric(report.Quantile(own.costs, 0.5), "cpu-s/GiB")
		})
	}
}

// A subject is a way to the target, with the samples of its turns.
type subject struct {
	dial func() (net.Conn, error)
	cpu  func() (time.Duration, error) // of the program in the way; nil if there is none

	rates, firsts, costs []float64 // in MiB/s, ms and s/GiB
}

// firstsPerTurn is how many connections a turn makes for a single byte.
const firstsPerTurn = 10

// turn makes some connections for the first byte of an answer, and a download.
func (s *subject) turn(b *testing.B) {
	b.Helper()
	for range firstsPerTurn {
		began := time.Now()
		s.fetch(b, "/where")
		s.firsts = append(s.firsts, time.Since(began).Seconds()*1000)
	}
	before := s.used(b)
	began := time.Now()
	n := s.fetch(b, "/large")
	if n != largeSize {
		b.Fatalf("%d bytes", n)
	}
	s.rates = append(s.rates, float64(n)/(1<<20)/time.Since(began).Seconds())
	s.costs = append(s.costs, (s.used(b)-before).Seconds()/(float64(n)/(1<<30)))
}

func (s *subject) used(b *testing.B) time.Duration {
	b.Helper()
	if s.cpu == nil {
		return 0
	}
	used, err := s.cpu()
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// fetch gets a page over a new connection, and returns its size.
func (s *subject) fetch(b *testing.B, page string) int64 {
	b.Helper()
	conn, err := s.dial()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n", page); err != nil {
		b.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 64<<10), nil)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		b.Fatalf("%d bytes, %v", n, err)
	}
	return n
}

// bare connects with nothing but CONNECT.
func (l *lab) bare(t testing.TB, mode, target string) (net.Conn, error) {
	server := l.servers[mode].url
	if server.Scheme == "unix" {
		return connect("unix", server.Path, nil, target)
	}
	pem, err := os.ReadFile(filepath.Join(l.dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(l.dir, "client.crt"), filepath.Join(l.dir, "client.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in ca.crt")
	}
	return connect("tcp", server.Host, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}, ServerName: "localhost"}, target)
}

// connect connects to a target through an HTTP proxy.
func connect(network, proxy string, secured *tls.Config, target string) (net.Conn, error) {
	conn, err := net.Dial(network, proxy)
	if err != nil {
		return nil, err
	}
	if secured != nil {
		conn = tls.Client(conn, secured)
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s was answered with %s", target, answer.Status)
	}
	return conn, nil
}
