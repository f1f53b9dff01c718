//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fairlead/build/image/layout"
)

// TestImageRunsAsNobodyOnItsOwn makes the image as "task image" does, and runs the program in what its layer has.
func TestImageRunsAsNobodyOnItsOwn(t *testing.T) {
	out := filepath.Join(t.TempDir(), "fairlead.oci.tar")
	if err := run(runtime.GOARCH, "fairlead:test", out); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, open(t, out))
	var index, image layout.Manifest
	decode(t, files["index.json"], &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Annotations["io.containerd.image.name"] != "fairlead:test" {
		t.Fatalf("index %+v", index)
	}
	decode(t, blob(t, files, index.Manifests[0]), &image)
	if len(image.Layers) != 1 {
		t.Fatalf("%d layers", len(image.Layers))
	}
	var c layout.Config
	decode(t, blob(t, files, *image.Config), &c)
	if c.Config.User != "65532:65532" || c.OS != "linux" || c.Architecture != runtime.GOARCH || !slices.Equal(c.Config.Entrypoint, []string{"/fairlead"}) {
		t.Errorf("config %+v", c)
	}
	packed, err := gzip.NewReader(bytes.NewReader(blob(t, files, image.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.RootFS.DiffIDs, []string{layout.Digest(layer)}) {
		t.Errorf("the layer is %s, and the config says %v", layout.Digest(layer), c.RootFS.DiffIDs)
	}
	root := t.TempDir()
	for name, content := range unpack(t, bytes.NewReader(layer)) {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := elf.Open(filepath.Join(root, "fairlead"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if libraries, err := program.ImportedLibraries(); len(libraries) > 0 || err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		t.Errorf("it needs %v, %v", libraries, err)
	}
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, to run the program in the image alone")
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	alone := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/fairlead", args...)
		cmd.Env, cmd.Dir = []string{}, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
	if text, err := alone("help", "sidecar").CombinedOutput(); err != nil || !strings.Contains(string(text), "--konnectivity-server") {
		t.Errorf("%v\n%s", err, text)
	}
	runGateway(t, alone("gateway", "--listen", "127.0.0.1:0"))
	var b bom
	list, err := os.ReadFile(strings.TrimSuffix(out, ".oci.tar") + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	decode(t, list, &b)
	if !slices.ContainsFunc(b.Components, func(c component) bool { return strings.HasPrefix(c.PURL, "pkg:golang/k8s.io/client-go@v0.") }) {
		t.Errorf("client-go is not among the %d modules", len(b.Components))
	}
}

// runGateway runs a gateway that serves a client and ends at SIGTERM.
func runGateway(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // it has ended, unless the test fails
	var line struct{ Message, Address string }
	if err := json.NewDecoder(log).Decode(&line); err != nil || line.Message != "listening" {
		t.Fatalf("%+v, %v", line, err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: line.Address})}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://169.254.169.254/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a refused target: %s", response.Status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("its end: %v", err)
	}
}

func TestTheSameProgramMakesTheSameImage(t *testing.T) {
	var first, second bytes.Buffer
	for _, to := range []*bytes.Buffer{&first, &second} {
		if _, err := layout.Write(to, []byte("a program"), "fairlead", "amd64", "x:1"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two images of one program differ")
	}
}

func open(t *testing.T, path string) io.Reader {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// unpack returns the files of a tar.
func unpack(t *testing.T, from io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(from); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// blob returns a blob whose digest and size are right.
func blob(t *testing.T, files map[string][]byte, d layout.Descriptor) []byte {
	t.Helper()
	content := files[d.Path()]
	if layout.Digest(content) != d.Digest || int64(len(content)) != d.Size {
		t.Fatalf("a blob of %d bytes is not %+v", len(content), d)
	}
	return content
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
