package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/app/logging"
)

// unread creates a named pipe with a reader that never reads, and room for one page.
func unread(t *testing.T, path string) *os.File {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// It opens both ends, because opening one waits for the other. The program under test gets descriptors of its own.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	pipe := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { pipe.Close() })
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	return pipe
}

// steered runs a fairlead command with the state directory of another Fairlead, and bounds it.
func steered(t *testing.T, state string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), built, args...)
	cmd.Env = (&running{state: state}).home()
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("fairlead %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestNothingWaitsForAConsole(t *testing.T) {
	for name, hang := range map[string]func(t *testing.T, cmd *exec.Cmd, log string){
		"console": func(t *testing.T, cmd *exec.Cmd, _ string) {
			pipe := unread(t, filepath.Join(t.TempDir(), "console"))
			cmd.Stdout, cmd.Stderr = pipe, pipe
		},
		"log": func(t *testing.T, _ *exec.Cmd, log string) { unread(t, log) },
		"log not opened": func(t *testing.T, _ *exec.Cmd, log string) {
			if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(log, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, address := t.TempDir(), freeAddress(t)
			cmd := exec.Command(built, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", address, "demo")
			cmd.Env = (&running{state: state}).home()
			hang(t, cmd, filepath.Join(state, "fairlead", logging.FileName))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			defer cmd.Process.Kill()
			eventually(t, "the proxy listens", func() bool {
				conn, err := net.Dial("tcp", address)
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
			for range 300 {
				if conn, reply := socks5(t, address, "nobody.default", 80); reply != 4 {
					t.Fatalf("SOCKS reply %d, want 4", reply)
				} else {
					conn.Close()
				}
			}
			steered(t, state, "off", "demo")
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("after SIGTERM: %v", err)
				}
			case <-time.After(15 * time.Second):
				_ = cmd.Process.Signal(syscall.SIGQUIT)
				t.Fatal("SIGTERM is without effect")
			}
		})
	}
}
