// Package image writes container images in the format of docker save from one static executable: a single layer with
// the executable, and a configuration for each image with its command line.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
)

// user is the user of every image; it has no name and no rights.
const user = "65532:65532"

// Image is one image of the archive.
type Image struct {
	// Names are the image's references, as demo.local/echo:1.
	Names []string
	// Entrypoint is the command line; the executable is /program.
	Entrypoint []string
}

// Executable is the path of the executable in each image.
const Executable = "/program"

type config struct {
	Architecture string        `json:"architecture"`
	OS           string        `json:"os"`
	Config       runtimeConfig `json:"config"`
	RootFS       rootFS        `json:"rootfs"`
}

type runtimeConfig struct {
	Entrypoint []string `json:",omitempty"`
	User       string   `json:",omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// manifest is one entry of manifest.json.
type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write writes an archive of the images to w, each with the executable in it.
func Write(w io.Writer, executable string, images []Image) error {
	content, err := os.ReadFile(executable)
	if err != nil {
		return fmt.Errorf("images: %w", err)
	}
	layer, err := layerOf(content)
	if err != nil {
		return fmt.Errorf("images: %w", err)
	}
	archive := tar.NewWriter(w)
	const layerName = "layer.tar"
	if err := add(archive, layerName, layer); err != nil {
		return fmt.Errorf("images: %w", err)
	}
	var manifests []manifest
	for _, image := range images {
		encoded, err := json.Marshal(config{
			Architecture: runtime.GOARCH, OS: "linux",
			Config: runtimeConfig{Entrypoint: image.Entrypoint, User: user},
			RootFS: rootFS{Type: "layers", DiffIDs: []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
		})
		if err != nil {
			return fmt.Errorf("images: %w", err)
		}
		name := fmt.Sprintf("%x.json", sha256.Sum256(encoded))
		if err := add(archive, name, encoded); err != nil {
			return fmt.Errorf("images: %w", err)
		}
		manifests = append(manifests, manifest{Config: name, RepoTags: image.Names, Layers: []string{layerName}})
	}
	encoded, err := json.Marshal(manifests)
	if err != nil {
		return fmt.Errorf("images: %w", err)
	}
	if err := add(archive, "manifest.json", encoded); err != nil {
		return fmt.Errorf("images: %w", err)
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("images: %w", err)
	}
	return nil
}

// layerOf returns the layer of every image: the executable and a directory for temporary files.
func layerOf(executable []byte) ([]byte, error) {
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	header := &tar.Header{Name: Executable[1:], Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(executable))}
	if err := archive.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := archive.Write(executable); err != nil {
		return nil, err
	}
	if err := archive.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return layer.Bytes(), nil
}

func add(archive *tar.Writer, name string, content []byte) error {
	header := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}
