package konnecttest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/testoutput"
	"fairlead/build/testport"
)

// sidecar runs Fairlead as a sidecar does: without a home directory, on a file system that it cannot write to.
func sidecar(t *testing.T, l *lab) {
	const mode = "http-connect"
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(l.dir, name) }
	probes := fmt.Sprintf("127.0.0.1:%d", testport.Free(t))
	s := &served{address: fmt.Sprintf("127.0.0.1:%d", testport.Free(t)), log: &testoutput.Buffer{}, ended: make(chan error, 1)}
	s.cmd = exec.Command("unshare", "--mount", "sh", "-c", `mount -o remount,bind,ro / && ! touch /tmp/x 2>&- && exec "$@"`, "sh", path,
		"serve", "--carrier", "konnectivity", "--kubeconfig", l.cluster.Kubeconfig, "--namespace", "tunnel", "--listen", s.address, "--health", probes, "--dns=false",
		"--konnectivity-server", l.servers[mode].url.String(), "--konnectivity-ca", file("ca.crt"), "--konnectivity-cert", file("client.crt"), "--konnectivity-key", file("client.key"))
	s.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	s.cmd.Dir = "/"
	s.start(t)

	probe := func(path string) int {
		response, err := http.Get("http://" + probes + path)
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	l.await(t, "readiness", func() bool { return probe("/readyz") == http.StatusOK })
	if got, status := s.curl(t, "http://web/where"); status != 0 {
		t.Errorf("%s, status %d", got, status)
	}
	if got, status := s.curl(t, "http://"+outsideName+"/where"); status == 0 || !strings.Contains(got, "(2)") {
		t.Errorf("a name outside, with --dns=false: %q, status %d", got, status)
	}
	server := l.servers[mode]
	server.stop()
	l.await(t, "the end of readiness", func() bool { return probe("/readyz") == http.StatusServiceUnavailable })
	if got := probe("/healthz"); got != http.StatusOK {
		t.Errorf("/healthz without a server: %d", got)
	}
	server.start(t)
	l.await(t, "the agent", server.hasAgent)
	l.await(t, "readiness again", func() bool { return probe("/readyz") == http.StatusOK })

	conn := connectThrough(t, s.address, "echo.tunnel.svc:7")
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	l.await(t, "the end of readiness", func() bool { return probe("/readyz") == http.StatusServiceUnavailable })
	if _, err := io.WriteString(conn, "still there\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "still there\n" || err != nil {
		t.Errorf("while it drains: %q, %v", line, err)
	}
	_ = conn.Close()
	began := time.Now()
	err = <-s.ended
	if s.ended <- err; err != nil || time.Since(began) > 6*time.Second {
		t.Errorf("its end: %v, after %v", err, time.Since(began))
	}
	for line := range strings.Lines(s.log.String()) {
		if !json.Valid([]byte(line)) && !strings.Contains(line, "socks5h://"+s.address) { // its one line on stdout
			t.Errorf("a line that is no JSON: %q", line)
		}
	}
}

// connectThrough returns a connection through an HTTP proxy.
func connectThrough(t *testing.T, proxy, target string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	return conn
}
