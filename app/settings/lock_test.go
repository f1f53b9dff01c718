package settings

import (
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
				t.Errorf("Lock() beside another process = %t, %v", ok, err)
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
