package clustertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"fairlead/build/gobuild"
)

// kubernetesVersion is the version that the binary's go.mod requires; without it kubectl and the API server would
// report v0.0.0.
const kubernetesVersion = "1.36.3"

// progressInterval is how often a long build reports its progress.
const progressInterval = 5 * time.Second

// kept is the number of binaries, of 170 MB each, that stay in the cache.
const kept = 3

// Binary returns the path of the program of build/cluster. It builds the program, which takes minutes on a fresh
// machine, if the user's cache has none for these sources, their go.sum and this version of Go. Several processes may
// call it at the same time; only one builds. It writes a line to progress every few seconds.
func Binary(ctx context.Context, progress io.Writer) (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	return product{
		name: "the cluster", cache: "cluster", source: source, file: "cluster", slow: true,
		args: []string{"-ldflags", linkerFlags(), "."},
	}.cached(ctx, progress)
}

// product is the result of go build for one module, which is kept in the user's cache.
type product struct {
	name      string // for people
	cache     string // the directory of its kind in the cache
	source    string // the module's directory
	file      string // the name of the result
	directory bool   // the result is a directory of several programs
	args, env []string
	slow      bool // the first build takes minutes
}

// cached returns the path of the product, and builds it if the cache has none for these sources.
func (p product) cached(ctx context.Context, progress io.Writer) (string, error) {
	key, err := cacheKey(ctx, p.source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache of %s: %w", p.name, err)
	}
	cache = filepath.Join(cache, "fairlead", p.cache)
	path := filepath.Join(cache, key, p.file)
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("cache of %s: %w", p.name, err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) {
		return path, nil // another process built it meanwhile
	}
	if err := p.build(ctx, path, progress); err != nil {
		return "", err
	}
	return path, prune(cache, key)
}

// sourceDir returns the path of build/cluster, found relative to this file.
func sourceDir() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", errors.New("find build/cluster: this program was built without file names")
	}
	dir := filepath.Join(filepath.Dir(file), "..", "cluster")
	if !exists(filepath.Join(dir, "go.mod")) {
		return "", fmt.Errorf("find build/cluster: no module in %s", dir)
	}
	return dir, nil
}

// cacheKey returns a digest of everything that the binary is made of, which excludes tests.
func cacheKey(ctx context.Context, source string) (string, error) {
	command := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	command.Dir = source
	version, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("version of Go: %w", err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s%q", version, linkerFlags())
	err = filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if entry.IsDir() {
			if path != source && exists(filepath.Join(path, "go.mod")) {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if extension := filepath.Ext(path); extension != ".go" && extension != ".mod" && extension != ".sum" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n%s", filepath.ToSlash(name), len(content), content)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the sources of the cluster: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:32], nil
}

func linkerFlags() string {
	const variable = " -X k8s.io/component-base/version."
	major, minor, _ := strings.Cut(kubernetesVersion, ".")
	minor, _, _ = strings.Cut(minor, ".")
	return "-s -w" + variable + "gitVersion=v" + kubernetesVersion +
		variable + "gitMajor=" + major + variable + "gitMinor=" + minor + variable + "gitTreeState=clean" +
		variable + "gitCommit=" + strings.Repeat("0", 40) + variable + "buildDate=2026-01-01T00:00:00Z"
}

// build compiles the product next to its final path and renames it, so that no caller sees an incomplete one.
func (p product) build(ctx context.Context, path string, progress io.Writer) error {
	if p.slow {
		fmt.Fprintf(progress, "building %s: it is large, the first time takes minutes\n", p.name)
	}
	partial := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer func() { _ = os.RemoveAll(partial) }()
	if p.directory {
		if err := os.Mkdir(partial, 0o700); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
	}
	// -v prints each package when it is compiled, which is the progress.
	args := []string{"build", "-v", "-buildvcs=false", "-o", partial}
	command := exec.CommandContext(ctx, "go", append(args, p.args...)...)
	command.Dir = p.source
	// A workspace or flags of the caller must not apply to this module.
	command.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS="), p.env...)
	output := &gobuild.Output{}
	command.Stdout, command.Stderr = output, output
	defer output.CountPackages(ctx, command)()
	began := time.Now()
	if err := command.Start(); err != nil {
		return fmt.Errorf("build %s: %w", p.name, err)
	}
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintf(progress, "building %s: %s, %s\n", p.name, time.Since(began).Round(time.Second), output.Summary())
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build %s: %w\n%s", p.name, errors.Join(err, context.Cause(ctx)), output.Tail())
			}
			fmt.Fprintf(progress, "building %s: done after %s\n", p.name, time.Since(began).Round(time.Second))
			if err := os.Rename(partial, path); err != nil {
				return fmt.Errorf("build %s: %w", p.name, err)
			}
			return nil
		}
	}
}

// prune removes all but the newest products of a kind and the one with this key. A running cluster needs its binary to
// start further programs, so prune removes only old ones.
func prune(cache, key string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return fmt.Errorf("prune %s: %w", cache, err)
	}
	type aged struct {
		name string
		when time.Time
	}
	var old []aged
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !entry.IsDir() || entry.Name() == key {
			continue
		}
		if time.Since(info.ModTime()) > time.Hour {
			old = append(old, aged{entry.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(old, func(a, b aged) int { return b.when.Compare(a.when) })
	for _, entry := range old[min(len(old), kept-1):] {
		if err := os.RemoveAll(filepath.Join(cache, entry.name)); err != nil {
			return fmt.Errorf("prune %s: %w", cache, err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
