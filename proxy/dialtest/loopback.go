package dialtest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Loopback starts the targets of a Suite on this machine's loopback, for Dialers that reach it. It sets all fields
// except Dialer, Unknown, Forbidden and Hangs.
func Loopback(t *testing.T) Suite {
	const pieces = 5
	s := Suite{SourceBytes: 8 << 20, LateRequest: "hello", LateAnswer: string(bytes.Repeat([]byte("line\n"), pieces))}
	s.Echo = serve(t, func(conn *net.TCPConn) { _, _ = io.Copy(conn, conn) })
	s.Source = serve(t, func(conn *net.TCPConn) { _, _ = conn.Write(make([]byte, s.SourceBytes)) })
	s.Late = serve(t, func(conn *net.TCPConn) {
		_, _ = io.Copy(io.Discard, conn)
		for range pieces {
			<-time.After(200 * time.Millisecond)
			_, _ = conn.Write([]byte("line\n"))
		}
	})
	s.Resets = serve(t, func(conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.SetLinger(0)
	})
	s.Without = map[Part]string{NotReadyIsReported: "every address of this machine's loopback can be reached"}
	closed := listen(t)
	s.Refused = closed.Addr().String()
	_ = closed.Close()
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// serve calls handle for each connection and closes it then. The test waits for all of them.
func serve(t *testing.T, handle func(*net.TCPConn)) string {
	ln := listen(t)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}
