package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func entries(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func TestArchiveHoldsOneLayerAndAConfigurationForEachImage(t *testing.T) {
	executable := filepath.Join(t.TempDir(), "any")
	if err := os.WriteFile(executable, []byte("machine code"), 0o700); err != nil {
		t.Fatal(err)
	}
	images := []Image{
		{Names: []string{"demo.local/one:1", "demo.local/one:latest"}, Entrypoint: []string{Executable, "one"}},
		{Names: []string{"demo.local/two:1"}, Entrypoint: []string{Executable, "two"}},
	}
	var first, second bytes.Buffer
	for _, archive := range []*bytes.Buffer{&first, &second} {
		if err := Write(archive, executable, images); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same differ")
	}
	files := entries(t, first.Bytes())
	var manifests []manifest
	if err := json.Unmarshal(files["manifest.json"], &manifests); err != nil || len(manifests) != len(images) {
		t.Fatalf("manifest.json: %v\n%s", err, files["manifest.json"])
	}
	for i, m := range manifests {
		if fmt.Sprint(m.RepoTags) != fmt.Sprint(images[i].Names) || len(m.Layers) != 1 {
			t.Errorf("manifest %d: %+v", i, m)
		}
		var c config
		if err := json.Unmarshal(files[m.Config], &c); err != nil {
			t.Fatal(err)
		}
		layer := files[m.Layers[0]]
		if want := fmt.Sprintf("sha256:%x", sha256.Sum256(layer)); len(c.RootFS.DiffIDs) != 1 || c.RootFS.DiffIDs[0] != want {
			t.Errorf("layers of image %d: %v, want %s", i, c.RootFS.DiffIDs, want)
		}
		if fmt.Sprint(c.Config.Entrypoint) != fmt.Sprint(images[i].Entrypoint) || c.Config.User == "" {
			t.Errorf("configuration of image %d: %+v", i, c.Config)
		}
		if content := entries(t, layer)["program"]; string(content) != "machine code" {
			t.Errorf("program of image %d: %q", i, content)
		}
	}
}
