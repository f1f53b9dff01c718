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
)

// BenchmarkThroughput downloads 64 MiB through each server: with a client of CONNECT alone, and with Fairlead. It says
// what Fairlead costs:
//
//	go test -run '^$' -bench Throughput -count 5 ./build/konnecttest
func BenchmarkThroughput(b *testing.B) {
	l := newLab(b)
	for _, mode := range modes {
		s := l.serve(b, mode)
		dials := map[string]func() (net.Conn, error){
			"fairlead": func() (net.Conn, error) { return connect("tcp", s.address, nil, "web.tunnel.pod:8080") },
		}
		if mode != "grpc" {
			dials["bare"] = func() (net.Conn, error) { return l.bare(b, mode, "10.244.77.11:8080") }
		}
		for name, dial := range dials {
			b.Run(mode+"/"+name, func(b *testing.B) { download(b, dial) })
		}
	}
}

// download downloads over a new connection each time.
func download(b *testing.B, dial func() (net.Conn, error)) {
	b.SetBytes(largeSize)
	for b.Loop() {
		conn, err := dial()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReaderSize(conn, 64<<10), nil)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, response.Body); n != largeSize || err != nil {
			b.Fatalf("%d bytes, %v", n, err)
		}
		_ = conn.Close()
	}
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
