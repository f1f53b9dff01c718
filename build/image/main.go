// Command image makes an OCI image of Fairlead without a container engine: one layer with the static program, which runs as
// a user without a name. Next to the image it writes a CycloneDX list of the modules in the program.
//
//	go run ./build/image [-arch amd64] [-ref fairlead:latest] [-o bin/fairlead.oci.tar]
//
// The archive can be loaded with "docker load", "podman load" and "ctr images import", and copied with skopeo.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"fairlead/build/image/layout"
)

func main() {
	arch := flag.String("arch", runtime.GOARCH, "processor `architecture`, as Go names it")
	ref := flag.String("ref", "fairlead:latest", "the image's `name`")
	out := flag.String("o", "bin/fairlead.oci.tar", "archive `file`; the list of modules is next to it")
	flag.Parse()
	if err := run(*arch, *ref, *out); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(arch, ref, out string) error {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "fairlead")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "fairlead/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	digest, err := writeImage(out, program, arch, ref)
	if err != nil {
		return err
	}
	list := strings.TrimSuffix(strings.TrimSuffix(out, ".tar"), ".oci") + ".cdx.json"
	if err := writeModules(list, program); err != nil {
		return err
	}
	fmt.Printf("%s  %s  %s\n%s\n", out, ref, digest, list)
	return nil
}

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
	id, err := layout.Write(file, content, "fairlead", arch, ref)
	return id, errors.Join(err, file.Close())
}
