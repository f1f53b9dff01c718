//go:build linux

package desktoptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// trayProgram is the path of the built program of testdata.
var trayProgram string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "trayprogram")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	trayProgram = filepath.Join(dir, "trayprogram")
	build := exec.Command("go", "build", "-o", trayProgram, "./testdata/trayprogram")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the tray program: %v\n%s", err, out)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}
