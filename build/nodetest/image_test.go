//go:build node

package nodetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
)

// imageOf returns the archive of an image with a program of this machine, the libraries that it needs, and other files.
func imageOf(t *testing.T, name, program string, others ...string) string {
	t.Helper()
	libraries, err := exec.CommandContext(t.Context(), "ldd", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := append(regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1), append(others, program)...)
	layer := layerOf(t, files)
	config := encoded(t, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Env": []string{"PATH=/usr/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	var archive bytes.Buffer
	to := tar.NewWriter(&archive)
	put(t, to, "layer.tar", 0o644, layer)
	put(t, to, "config.json", 0o644, config)
	put(t, to, "manifest.json", 0o644, encoded(t, []any{map[string]any{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}}))
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// layerOf returns a layer with files of this machine, at their own paths.
func layerOf(t *testing.T, files []string) []byte {
	t.Helper()
	var layer bytes.Buffer
	to := tar.NewWriter(&layer)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		put(t, to, file[1:], 0o755, content)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return layer.Bytes()
}

func put(t *testing.T, to *tar.Writer, name string, mode fs.FileMode, content []byte) {
	t.Helper()
	err := to.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: int64(mode), Size: int64(len(content))})
	if err == nil {
		_, err = to.Write(content)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
