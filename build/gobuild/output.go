// Package gobuild parses the output of go build while it runs, to show its progress.
package gobuild

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
)

// Output parses the output of go build -v: a line for each module it downloads and each package it compiles. Its zero
// value is ready to use.
type Output struct {
	mu                    sync.Mutex
	text                  []byte
	downloaded, compiled  int
	packages              int // of the program in total; 0 while it is unknown
	unfinished, lastThing string
}

// Write counts lines.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if excess := len(o.text) - 1<<16; excess > 0 {
		o.text = append(o.text[:0], o.text[excess:]...)
	}
	lines := strings.Split(o.unfinished+string(p), "\n")
	o.unfinished = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		if module, ok := strings.CutPrefix(line, "go: downloading "); ok {
			o.downloaded++
			o.lastThing = module
			continue
		}
		o.compiled++
		o.lastThing = line
	}
	return len(p), nil
}

// CountPackages starts counting the packages that a go build command builds, including those that are already in the
// build cache. Summary includes their number once it is known. The command's last argument must be the package to
// build; the command need not have started. The caller must call stop, which ends the count and waits for it.
func (o *Output) CountPackages(ctx context.Context, build *exec.Cmd) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	list := exec.CommandContext(ctx, build.Path, "list", "-deps", build.Args[len(build.Args)-1])
	list.Dir, list.Env = build.Dir, build.Env
	var counting sync.WaitGroup
	counting.Go(func() {
		names, err := list.Output()
		if err != nil {
			return // go build fails in the same way, and reports it
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.packages = bytes.Count(names, []byte("\n"))
	})
	return func() {
		cancel()
		counting.Wait()
	}
}

// Summary returns the progress of the build in a few words.
func (o *Output) Summary() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	of := ""
	if o.packages > 0 {
		of = fmt.Sprintf(" of at most %d", o.packages)
	}
	switch {
	case o.compiled > 0:
		return fmt.Sprintf("%d%s packages compiled, now after %s", o.compiled, of, o.lastThing)
	case o.downloaded > 0:
		return fmt.Sprintf("%d modules downloaded, now %s", o.downloaded, o.lastThing)
	}
	return "linking" // go build is silent only while it reads its cache and while it links
}

// Tail returns the end of the output.
func (o *Output) Tail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	const count = 30
	lines := bytes.Split(bytes.TrimSpace(o.text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-count):], []byte("\n"))
}
