// Package layout writes OCI images of one static program: an image layout in a tar.
package layout

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
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

// A Descriptor refers to a blob.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *Platform         `json:"platform,omitempty"`
}

// A Platform is what an image runs on.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// A Manifest is an image's, or with Manifests an index.
type Manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        *Descriptor  `json:"config,omitempty"`
	Layers        []Descriptor `json:"layers,omitempty"`
	Manifests     []Descriptor `json:"manifests,omitempty"`
}

// A Config is an image's configuration.
type Config struct {
	Platform
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
func (a archive) blob(mediaType string, content []byte) (Descriptor, error) {
	d := Descriptor{MediaType: mediaType, Digest: Digest(content), Size: int64(len(content))}
	return d, a.file(d.Path(), content)
}

// json adds a blob of JSON.
func (a archive) json(mediaType string, value any) (Descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return Descriptor{}, err
	}
	return a.blob(mediaType, content)
}

// Digest returns the digest of a blob.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Path returns the path of the blob in the layout.
func (d Descriptor) Path() string { return "blobs/sha256/" + d.Digest[len("sha256:"):] }

// Write writes the image of a program, which is /NAME in it, and returns the digest of its manifest.
func Write(to io.Writer, program []byte, name, arch, ref string) (string, error) {
	a := archive{tar.NewWriter(to)}
	layer, err := layerOf(program, name)
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
	c := Config{Platform: Platform{arch, "linux"}}
	c.Config.User, c.Config.Entrypoint, c.Config.WorkingDir = user, []string{"/" + name}, "/"
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{Digest(layer)}
	configured, err := a.json(configType, c)
	if err != nil {
		return "", err
	}
	image, err := a.json(manifestType, Manifest{SchemaVersion: 2, MediaType: manifestType, Config: &configured, Layers: []Descriptor{packedLayer}})
	if err != nil {
		return "", err
	}
	image.Platform = &c.Platform
	image.Annotations = map[string]string{"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref}
	index, err := json.Marshal(Manifest{SchemaVersion: 2, MediaType: indexType, Manifests: []Descriptor{image}})
	if err != nil {
		return "", err
	}
	// "docker load" of engines that know no image layout reads this file.
	docker, err := json.Marshal([]map[string]any{{"Config": configured.Path(), "RepoTags": []string{ref}, "Layers": []string{packedLayer.Path()}}})
	if err != nil {
		return "", err
	}
	return image.Digest, errors.Join(
		a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), a.file("index.json", index), a.file("manifest.json", docker), a.tar.Close())
}

// layerOf returns the one layer: the program, and an empty /tmp for what may be mounted there.
func layerOf(program []byte, name string) ([]byte, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	zero := time.Unix(0, 0)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777, ModTime: zero, Format: tar.FormatUSTAR})
	if err != nil {
		return nil, err
	}
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(program)), ModTime: zero, Format: tar.FormatUSTAR})
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
