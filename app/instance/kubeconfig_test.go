package instance

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestSourcesSayWhichFilesThereAreNot(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home) // where Windows has it
	there, missing := filepath.Join(home, "config"), filepath.Join(home, ".kube", "config")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.FromSlash("~/config"), filepath.FromSlash("~/.kube/config") + " (no such file)"}
	if got := sources([]string{there, missing}); !slices.Equal(got, want) {
		t.Errorf("sources are %q, want %q", got, want)
	}
}
