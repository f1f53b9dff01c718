//go:build unix

package main

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/app/session"
)

// A cutLine is a path to the API server that can be cut.
type cutLine struct {
	to       string
	listener net.Listener
	mutex    sync.Mutex
	cut      bool
	open     map[net.Conn]bool
	done     sync.WaitGroup
}

func newCutLine(t *testing.T, to string) *cutLine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &cutLine{to: to, listener: listener, open: map[net.Conn]bool{}}
	l.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.done.Go(func() { l.carry(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); l.set(true); l.done.Wait() })
	return l
}

func (l *cutLine) carry(conn net.Conn) {
	defer conn.Close()
	far, err := net.Dial("tcp", l.to)
	if err != nil || !l.keep(conn, far) {
		return
	}
	defer far.Close()
	l.done.Go(func() { _, _ = io.Copy(far, conn); far.Close() })
	_, _ = io.Copy(conn, far)
}

// keep records connections that a cut must close. It returns false if the line is cut already.
func (l *cutLine) keep(conns ...net.Conn) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, conn := range conns {
		if l.cut {
			conn.Close()
		}
		l.open[conn] = true
	}
	return !l.cut
}

// set cuts the line, or lets new connections pass again.
func (l *cutLine) set(cut bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.cut = cut
	for conn := range l.open {
		conn.Close()
		delete(l.open, conn)
	}
}

func TestStateIsTrueSoonAfterASleep(t *testing.T) {
	config, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	server := strings.TrimSpace(kubectl(t, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"))
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	line := newCutLine(t, u.Host)
	moved := strings.ReplaceAll(string(config), u.Host, line.listener.Addr().String())
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, nil, "serve", "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0", "demo")
	_, address, _ := strings.Cut(r.line(t), "  socks5h://")
	wantGet(t, "http://"+address, "http://hello/")

	// The machine sleeps, and wakes up where no path leads to the cluster. No client sends anything.
	process := r.cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	line.set(true)
	time.Sleep(6 * time.Second) // the sleep itself; shorter ones look like a busy machine
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	took := r.phase(t, "demo", session.Unavailable)
	t.Logf("unavailable %v after the wake", took)

	line.set(false)
	r.phase(t, "demo", session.On)
	wantGet(t, "http://"+address, "http://hello/")
}
