//go:build linux || darwin

package control

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// Root may connect, so another user must be neither root nor the owner. Tests that run as root start a process of
// another user; otherwise the socket's owner is set to another user.
func TestAnotherUserIsTurnedAway(t *testing.T) {
	dir, err := os.MkdirTemp("", "fairlead-control-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "control.sock")
	ln, err := Listen(path, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "let in")
			conn.Close()
		}
	}()
	// As if the permissions of the file and its directory had been given away.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		ln.(*socket).owner++
		if connectAsAnother(path) != 0 {
			t.Error("another user was let in")
		}
	} else {
		copied := filepath.Join(dir, "test") // where any user may run it
		if out, err := exec.Command("cp", os.Args[0], copied).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd := exec.Command(copied)
		cmd.Env = append(os.Environ(), "FAIRLEAD_TEST_SOCKET="+path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("another user: %v %s", err, out)
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(conn); string(text) != "let in" {
			t.Errorf("the owner reads %q", text)
		}
		conn.Close()
	}
	ln.Close()
	<-accepted
}
