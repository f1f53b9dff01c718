package desktop_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/app/desktop"
)

// logFile creates a file to open, with a name that is dangerous for a shell.
func logFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a $(touch hurt) 'log'.txt")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DISPLAY", ":99")
	return path
}

func TestTheFileIsOpenedByItsPath(t *testing.T) {
	noLeaks(t)
	path := logFile(t)
	dir := script(t, "xdg-open", `printf '%s\n' "$@" > "$(dirname "$0")/arguments"`)
	t.Chdir(filepath.Dir(path))
	for _, name := range []string{path, filepath.Base(path)} {
		if err := desktop.OpenFile(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "arguments"))
		if err != nil || string(got) != path+"\n" {
			t.Errorf("xdg-open got %q (%v), want %q", got, err, path)
		}
	}
}

func TestAnOpenerThatFailsIsNamedWithThePath(t *testing.T) {
	noLeaks(t)
	path := logFile(t)
	script(t, "xdg-open", "echo noise; echo noise >&2; exit 3")
	err := desktop.OpenFile(t.Context(), path)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "xdg-open") {
		t.Errorf("%v", err)
	}
}

func TestAViewerLivesOnWhenOpenFileReturns(t *testing.T) {
	noLeaks(t)
	path := logFile(t)
	dir := script(t, "xdg-open", `echo $$ > "$(dirname "$0")/new"; mv "$(dirname "$0")/new" "$(dirname "$0")/pid"; exec sleep 600`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- desktop.OpenFile(ctx, path) }()
	var pid int
	eventually(t, "the viewer is there", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(within):
		t.Fatal("OpenFile waits for the viewer")
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the viewer is gone: %v", err)
	}
	if group, err := syscall.Getpgid(pid); err != nil || group == syscall.Getpgrp() {
		t.Errorf("the viewer is in our process group (%v)", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutAnOpenerTheErrorNamesThePath(t *testing.T) {
	noLeaks(t)
	path := logFile(t)
	t.Setenv("PATH", t.TempDir())
	if err := desktop.OpenFile(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "xdg-open") {
		t.Errorf("no xdg-open: %v", err)
	}
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	if err := desktop.OpenFile(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "no desktop") {
		t.Errorf("no desktop: %v", err)
	}
}

func TestAFileThatIsNotThereIsNotOpened(t *testing.T) {
	noLeaks(t)
	script(t, "xdg-open", "exit 0")
	t.Setenv("DISPLAY", ":99")
	path := filepath.Join(t.TempDir(), "none")
	if err := desktop.OpenFile(t.Context(), path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}
