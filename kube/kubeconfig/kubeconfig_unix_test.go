//go:build unix

package kubeconfig

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAPipeIsNoKubeconfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if k := Load(path); len(k.Problems) != 1 || k.Problems[0].Err.Error() != "not a regular file" {
		t.Errorf("%+v", k)
	}
	if k := Load(os.DevNull); len(k.Problems) > 0 || len(k.Contexts) > 0 {
		t.Errorf("%+v", k)
	}
}
