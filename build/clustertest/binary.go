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

// kubernetesVersion is what the binary's go.mod requires; kubectl and the API server would call themselves v0.0.0
// without it.
const kubernetesVersion = "1.36.3"

// progressInterval is how often a long build says that it goes on.
const progressInterval = 5 * time.Second

// kept is how many binaries, of 170 MB each, stay in the cache.
const kept = 3

// Binary is the path of the program of build/cluster. It is built, which takes minutes on a fresh machine, when the user's
// cache has none for these sources, their go.sum and this version of Go. Several processes may call it at once; one
// builds. Lines about the progress go to progress every few seconds.
func Binary(ctx context.Context, progress io.Writer) (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	key, err := cacheKey(ctx, source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache of the cluster: %w", err)
	}
	cache = filepath.Join(cache, "fairlead", "cluster")
	binary := filepath.Join(cache, key, "cluster")
	if isFile(binary) {
		return binary, nil
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o700); err != nil {
		return "", fmt.Errorf("cache of the cluster: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if isFile(binary) {
		return binary, nil // another process built it meanwhile
	}
	if err := build(ctx, source, binary, progress); err != nil {
		return "", err
	}
	return binary, prune(cache, key)
}

// sourceDir is build/cluster beside this file.
func sourceDir() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", errors.New("find build/cluster: this program was built without file names")
	}
	dir := filepath.Join(filepath.Dir(file), "..", "cluster")
	if !isFile(filepath.Join(dir, "go.mod")) {
		return "", fmt.Errorf("find build/cluster: no module in %s", dir)
	}
	return dir, nil
}

// cacheKey is a digest over everything the binary is made of. Tests are not in it.
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
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
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

// build compiles the binary beside its place and moves it there, so that nobody ever sees half of it.
func build(ctx context.Context, source, binary string, progress io.Writer) error {
	fmt.Fprintln(progress, "building the cluster: Kubernetes is large, the first time takes minutes")
	partial := fmt.Sprintf("%s.%d", binary, os.Getpid())
	defer os.Remove(partial)
	// -v names each package when it is compiled: that is the progress.
	command := exec.CommandContext(ctx, "go", "build", "-v", "-buildvcs=false", "-ldflags", linkerFlags(), "-o", partial, ".")
	command.Dir = source
	// Whatever the caller was built with, a workspace or flags, is not for this module.
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	output := &gobuild.Output{}
	command.Stdout, command.Stderr = output, output
	defer output.CountPackages(ctx, command)()
	began := time.Now()
	if err := command.Start(); err != nil {
		return fmt.Errorf("build the cluster: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintf(progress, "building the cluster: %s, %s\n", time.Since(began).Round(time.Second), output.Summary())
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build the cluster: %w\n%s", errors.Join(err, context.Cause(ctx)), output.Tail())
			}
			fmt.Fprintf(progress, "building the cluster: done after %s\n", time.Since(began).Round(time.Second))
			if err := os.Rename(partial, binary); err != nil {
				return fmt.Errorf("build the cluster: %w", err)
			}
			return nil
		}
	}
}

// prune removes all but the newest binaries and the one of this key. Running clusters keep theirs: removing a file does
// not take it from those who run it, but they start no further programs from it, so only old ones go.
func prune(cache, key string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return fmt.Errorf("prune the cache of the cluster: %w", err)
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
			return fmt.Errorf("prune the cache of the cluster: %w", err)
		}
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
