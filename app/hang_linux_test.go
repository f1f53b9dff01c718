package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/testport"
)

// A pipe or the like in place of a file does not block the start: it is reported, and a signal ends the program.
func TestTheStartNeverHangs(t *testing.T) {
	foreign := func(path string) error {
		return errors.Join(os.WriteFile(path, []byte("{}"), 0o644), os.Chown(path, 65534, -1))
	}
	places := map[string]func(string) error{
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"foreign":   foreign,
	}
	if os.Getuid() != 0 {
		delete(places, "foreign") // only root can create it; app/ownfile tests the rule
	}
	for file, want := range map[string]string{
		"fairlead/state.json":         "state.json: it ",
		"fairlead/fairlead.log":       "the log file cannot be written",
		"fairlead/state.json.lock":    "",
		"config/fairlead/config.yaml": "config.yaml: it ",
	} {
		for what, place := range places {
			if want == "" && what != "pipe" {
				continue
			}
			t.Run(filepath.Base(file)+" "+what, func(t *testing.T) {
				t.Parallel()
				home := t.TempDir()
				if err := errors.Join(os.MkdirAll(filepath.Join(home, "fairlead"), 0o700), os.MkdirAll(filepath.Join(home, "config/fairlead"), 0o700), place(filepath.Join(home, file))); err != nil {
					t.Fatal(err)
				}
				r := start(t, []string{"XDG_STATE_HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(home, "none")},
					"serve", "--kubeconfig", cluster.Kubeconfig, "--listen", fmt.Sprintf("127.0.0.1:%d", testport.Free(t)), "demo")
				r.state = home
				select {
				case <-r.lines: // it serves, or has ended
				case <-time.After(time.Minute):
					t.Fatal("it neither serves nor ends")
				}
				_ = r.cmd.Process.Signal(syscall.SIGTERM)
				r.wait(t, 15*time.Second)
				if said := r.stderr.String(); !strings.Contains(said, want) {
					t.Errorf("it says %q, want %q", said, want)
				}
			})
		}
	}
}

// A signal ends the program even if something in it hangs.
func TestWhatHangsAfterASignalIsNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	endAfter(ctx, time.Millisecond, func() { close(ended) })
	cancel()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("it is waited for")
	}
}
