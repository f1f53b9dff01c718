//go:build linux || darwin

package control

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// nobody is a user who is neither root nor the one who runs the tests.
const nobody = 65534

// A user who can put a socket into the runtime directory could run commands in another user's shell.
func TestOnlyThisUsersOwnSocketIsSpokenTo(t *testing.T) {
	for what, give := range map[string]func(r *running) error{
		"a folder that others can write in": func(r *running) error { return os.Chmod(filepath.Dir(r.path), 0o770) },
		"a socket that others can write to": func(r *running) error { return os.Chmod(r.path, 0o666) },
		"another user's folder":             func(r *running) error { return os.Chown(filepath.Dir(r.path), nobody, -1) },
		"another user's socket":             func(r *running) error { return os.Chown(r.path, nobody, -1) },
	} {
		t.Run(what, func(t *testing.T) {
			r := run(t, Server{})
			r.waitForPhases(t, "off off off off")
			client := NewClient(r.path)
			defer client.Close()
			if err := give(r); errors.Is(err, os.ErrPermission) {
				client = newClient(r.path, os.Getuid()+1) // without root, the test's own user is the other one
			} else if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Status(t.Context()); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), filepath.Dir(r.path)) {
				t.Errorf("Status() = %v", err)
			}
		})
	}
}

// The files may be ours and the program another user's, if the directory was given away after the program listened.
func TestAnotherUsersProgramHearsNothing(t *testing.T) {
	dir, err := os.MkdirTemp("", "fairlead-control-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "control.sock")
	copied := filepath.Join(dir, "test") // where any user may run it
	if out, err := exec.Command("cp", os.Args[0], copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, copied)
	cmd.Env = append(os.Environ(), "FAIRLEAD_TEST_LISTEN="+path)
	client := NewClient(path)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "listening" {
		t.Fatalf("it says %q", lines.Text())
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(path, 0o600), os.Chown(path, os.Getuid(), -1)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		_, err = client.Status(t.Context())
	} else {
		conn, dialErr := net.Dial("unix", path)
		if dialErr != nil {
			t.Fatal(dialErr)
		}
		err = checkPeer(conn, os.Getuid()+1)
		_ = conn.Close()
	}
	if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "answers at it") {
		t.Errorf("Status() = %v", err)
	}
	if !lines.Scan() || lines.Text() != `heard ""` {
		t.Errorf("the other user's program %s", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestListenRefusesAnotherUsersDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := makePrivate(dir, os.Getuid()+1); !errors.Is(err, ErrUntrusted) {
		t.Errorf("makePrivate() = %v", err)
	}
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chown(dir, nobody, -1); err != nil {
		t.Fatal(err)
	}
	if ln, err := Listen(filepath.Join(dir, "control.sock"), true, zerolog.Nop()); !errors.Is(err, ErrUntrusted) {
		t.Errorf("Listen() = %v, %v", ln, err)
	}
}
