package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/adrg/xdg"
)

func TestSecondTrayIsRefusedUntilTheFirstIsGone(t *testing.T) {
	for _, where := range []string{"runtime directory", "state directory"} {
		t.Run(where, func(t *testing.T) {
			dir, runtimeDir := t.TempDir(), t.TempDir()
			if where == "state directory" {
				runtimeDir = filepath.Join(runtimeDir, "missing")
			}
			t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
			xdg.Reload()
			first := self(t, "lock", dir)
			stdin, err := first.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			stdout, err := first.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := first.Start(); err != nil {
				t.Fatal(err)
			}
			var line string
			if _, err := fmt.Fscanf(stdout, "locked: %s\n", &line); err != nil || line != "true" {
				t.Errorf("the first process: %q, %v", line, err)
			}
			if _, ok, err := Lock(dir); ok || err != nil {
				t.Errorf("Lock() while another process has it = %t, %v", ok, err)
			}
			if err := first.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = first.Wait() // "signal: killed"
			release, ok, err := Lock(dir)
			if !ok || err != nil {
				t.Fatalf("Lock() after the other was killed = %t, %v", ok, err)
			}
			release()
			if where == "runtime directory" {
				if entries, _ := os.ReadDir(dir); len(entries) != 0 {
					t.Errorf("the state directory has %v", entries)
				}
			}
		})
	}
}

// If the runtime directory is /tmp, say, another user may have created a directory or a link with our name.
func TestOnlyAFolderOfOurOwnHoldsSocketAndLock(t *testing.T) {
	for what, make := range map[string]func(path string) error{
		"a link":               func(path string) error { return os.Symlink(t.TempDir(), path) },
		"a file":               func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"another user's":       func(path string) error { return errors.Join(os.Mkdir(path, 0o777), chownOrReplace(path)) },
		"ours, open to others": func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777)) },
	} {
		t.Run(what, func(t *testing.T) {
			dir, runtimeDir := t.TempDir(), t.TempDir()
			t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
			xdg.Reload()
			if err := make(filepath.Join(runtimeDir, "fairlead")); err != nil {
				t.Fatal(err)
			}
			want := dir
			if what == "ours, open to others" {
				want = filepath.Join(runtimeDir, "fairlead")
			}
			if got, err := Socket(dir); err != nil || got != filepath.Join(want, "control.sock") {
				t.Errorf("Socket() = %s, %v, want one in %s", got, err, want)
			}
			if info, err := os.Stat(want); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the folder: %v, %v", info.Mode(), err)
			}
		})
	}
}

// chownOrReplace gives a directory away. If the test may not do that, it replaces it by a link to another user's.
func chownOrReplace(path string) error {
	if err := os.Chown(path, 65534, -1); err == nil {
		return nil
	}
	return errors.Join(os.Remove(path), os.Symlink("/", path))
}
