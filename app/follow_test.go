package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// eventually waits until a condition holds, because changes of files take a moment to be noticed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// writeFile replaces a file as a whole, as editors do, because a program may be reading it.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// An echoing is a connection that stays open while things change around it.
type echoing struct{ net.Conn }

func (e echoing) stillEchoes(t *testing.T) {
	t.Helper()
	if err := e.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	said, heard := []byte("still there?"), make([]byte, 12)
	if _, err := e.Write(said); err != nil {
		t.Fatalf("the open connection: %v", err)
	}
	if _, err := io.ReadFull(e, heard); err != nil || !bytes.Equal(said, heard) {
		t.Fatalf("the open connection echoed %q, %v", heard, err)
	}
}

func TestChangedSettingsAreAppliedWhileConnectionsStayOpen(t *testing.T) {
	config := t.TempDir()
	r := start(t, []string{"XDG_CONFIG_HOME=" + config}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	_, address, _ := strings.Cut(r.line(t), "socks5h://")
	conn, reply := socks5(t, address, "echo.default", 7)
	if reply != 0 {
		t.Fatalf("echo: reply %d", reply)
	}
	open := echoing{conn}
	open.stillEchoes(t)

	file := filepath.Join(config, "fairlead", "config.yaml")
	replyOf := func(host string) byte {
		conn, reply := socks5(t, address, host, 80)
		conn.Close()
		return reply
	}
	// A name that does not exist is looked up outside, until hosts outside are refused.
	if reply := replyOf("nowhere.invalid.test"); reply == 2 {
		t.Fatalf("outside hosts are refused by default")
	}
	writeFile(t, file, "contexts:\n  demo:\n    outside: refuse\n")
	eventually(t, "outside hosts are refused", func() bool { return replyOf("nowhere.invalid.test") == 2 })
	open.stillEchoes(t)

	writeFile(t, file, "contexts:\n  demo:\n    outside: refuse\n    namespace: kube-system\n")
	eventually(t, "short names are another namespace's", func() bool { return replyOf("hello") == 4 })
	open.stillEchoes(t)

	// A mistake changes nothing, and is reported with its line.
	writeFile(t, file, "contexts:\n  demo:\n    outsid: direct\n")
	eventually(t, "the mistake is told", func() bool { return strings.Contains(r.stderr.String(), "config.yaml:3") })
	if reply := replyOf("nowhere.invalid.test"); reply != 2 {
		t.Errorf("with a mistake in the settings outside hosts are answered %d", reply)
	}
	writeFile(t, file, "contexts:\n  demo:\n    password: {user: me, password: a long one}\n")
	eventually(t, "a password is wanted", func() bool { return !accepts(t, address) })
	open.stillEchoes(t)
}

// accepts reports whether the proxy serves SOCKS5 clients without a password.
func accepts(t *testing.T, address string) bool {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{5, 1, 0}); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	var choice [2]byte
	if _, err := io.ReadFull(conn, choice[:]); err != nil {
		t.Fatal(err)
	}
	return choice[1] == 0
}

func TestAChangedKubeconfigIsAppliedWhileConnectionsStayOpen(t *testing.T) {
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	writeFile(t, file, string(text))
	r := start(t, nil, "serve", "--kubeconfig", file, "--listen", "127.0.0.1:0", "demo")
	_, address, _ := strings.Cut(r.line(t), "socks5h://")
	conn, reply := socks5(t, address, "echo.default", 7)
	if reply != 0 {
		t.Fatalf("echo: reply %d", reply)
	}
	open := echoing{conn}
	open.stillEchoes(t)
	if conn, reply := socks5(t, address, "hello", 80); reply != 0 {
		t.Fatalf("hello: reply %d", reply)
	} else {
		conn.Close()
	}

	kubectl(t, "config", "--kubeconfig", file, "set-context", "demo", "--namespace=kube-system")
	eventually(t, "short names are another namespace's", func() bool {
		conn, reply := socks5(t, address, "hello", 80)
		conn.Close()
		return reply == 4
	})
	open.stillEchoes(t)

	kubectl(t, "config", "--kubeconfig", file, "delete-context", "demo")
	r.wait(t, 30*time.Second)
	if status := r.status(); status != exitFailed || !strings.Contains(r.stderr.String(), "no longer in the kubeconfig") {
		t.Errorf("with its context gone, serve ended with status %d and said:\n%s", status, r.stderr)
	}
}
