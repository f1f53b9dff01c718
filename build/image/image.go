package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// The media types of the OCI image specification, version 1.1.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// user is the user of the image; it has no name and no rights.
const user = "65532:65532"

// A descriptor refers to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// A manifest is an image's, or with Manifests an index.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
}

type config struct {
	platform
	Config struct {
		User       string
		Entrypoint []string
		WorkingDir string
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// An archive is an image layout in a tar. All times are zero, so the same program makes the same image.
type archive struct{ tar *tar.Writer }

func (a archive) file(name string, content []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := a.tar.Write(content)
	return err
}

// blob adds a blob, and returns its descriptor.
func (a archive) blob(mediaType string, content []byte) (descriptor, error) {
	d := descriptor{MediaType: mediaType, Digest: digest(content), Size: int64(len(content))}
	return d, a.file(path(d), content)
}

// json adds a blob of JSON.
func (a archive) json(mediaType string, value any) (descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(mediaType, content)
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func path(d descriptor) string { return "blobs/sha256/" + d.Digest[len("sha256:"):] }

// writeImage writes the image of a program to a file, and returns the digest of its manifest.
func writeImage(to, program, arch, ref string) (string, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	file, err := os.Create(to)
	if err != nil {
		return "", err
	}
	id, err := writeLayout(file, content, arch, ref)
	return id, errors.Join(err, file.Close())
}

func writeLayout(to io.Writer, program []byte, arch, ref string) (string, error) {
	a := archive{tar.NewWriter(to)}
	layer, err := layerOf(program)
	if err != nil {
		return "", err
	}
	packed, err := compress(layer)
	if err != nil {
		return "", err
	}
	packedLayer, err := a.blob(layerType, packed)
	if err != nil {
		return "", err
	}
	c := config{platform: platform{arch, "linux"}}
	c.Config.User, c.Config.Entrypoint, c.Config.WorkingDir = user, []string{"/fairlead"}, "/"
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{digest(layer)}
	configured, err := a.json(configType, c)
	if err != nil {
		return "", err
	}
	image, err := a.json(manifestType, manifest{SchemaVersion: 2, MediaType: manifestType, Config: &configured, Layers: []descriptor{packedLayer}})
	if err != nil {
		return "", err
	}
	image.Platform = &c.platform
	image.Annotations = map[string]string{"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref}
	index, err := json.Marshal(manifest{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{image}})
	if err != nil {
		return "", err
	}
	// "docker load" of engines that know no image layout reads this file.
	docker, err := json.Marshal([]map[string]any{{"Config": path(configured), "RepoTags": []string{ref}, "Layers": []string{path(packedLayer)}}})
	if err != nil {
		return "", err
	}
	return image.Digest, errors.Join(
		a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), a.file("index.json", index), a.file("manifest.json", docker), a.tar.Close())
}

// layerOf returns the one layer: the program, and an empty /tmp for what may be mounted there.
func layerOf(program []byte) ([]byte, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	zero := time.Unix(0, 0)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777, ModTime: zero, Format: tar.FormatUSTAR})
	if err != nil {
		return nil, err
	}
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "fairlead", Mode: 0o755, Size: int64(len(program)), ModTime: zero, Format: tar.FormatUSTAR})
	if err != nil {
		return nil, err
	}
	_, err = w.Write(program)
	err = errors.Join(err, w.Close())
	return layer.Bytes(), err
}

func compress(content []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(content)
	err = errors.Join(err, w.Close())
	return packed.Bytes(), err
}
