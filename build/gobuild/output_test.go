package gobuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestOutputReportsItsProgress(t *testing.T) {
	o := &Output{}
	for _, step := range []struct{ said, summary string }{
		{"", "linking"},
		{"go: downloading k8s.io/api v0.36.3\ngo: down", "1 modules downloaded, now k8s.io/api v0.36.3"},
		{"loading k8s.io/kms v0.36.3\n", "2 modules downloaded, now k8s.io/kms v0.36.3"},
		{"errors\nio\n", "2 packages compiled, now after io"},
	} {
		if _, err := o.Write([]byte(step.said)); err != nil {
			t.Fatal(err)
		}
		if o.Summary() != step.summary {
			t.Errorf("after %q: %s", step.said, o.Summary())
		}
	}
}

func TestOutputKnowsHowManyPackagesThereAre(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.26\n", "main.go": "package main\n\nimport _ \"m/part\"\n\nfunc main() {}\n", "part/part.go": "package part\n\nimport _ \"errors\"\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-v", "-o", os.DevNull, ".")
	build.Dir = dir
	o := &Output{}
	build.Stderr = o
	stop := o.CountPackages(t.Context(), build)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		o.mu.Lock()
		counted := o.packages
		o.mu.Unlock()
		if counted > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the packages are not counted after a minute")
		}
	}
	stop()
	if err := build.Run(); err != nil {
		t.Fatalf("%v\n%s", err, o.Tail())
	}
	// m, m/part, and what errors needs of the standard library.
	if summary := o.Summary(); !regexp.MustCompile(`^\d+ of at most \d\d packages compiled, now after m$`).MatchString(summary) {
		t.Error(summary)
	}
}
