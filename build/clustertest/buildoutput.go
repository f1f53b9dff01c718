package clustertest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// buildOutput reads what go build -v says: a line for each module it downloads and each package it compiles.
type buildOutput struct {
	mu                    sync.Mutex
	text                  []byte
	downloaded, compiled  int
	unfinished, lastThing string
}

// Write counts lines.
func (o *buildOutput) Write(p []byte) (int, error) {
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

func (o *buildOutput) summary() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.compiled > 0:
		return fmt.Sprintf("%d packages compiled, now after %s", o.compiled, o.lastThing)
	case o.downloaded > 0:
		return fmt.Sprintf("%d modules downloaded, now %s", o.downloaded, o.lastThing)
	}
	return "linking" // go build is silent only while it reads its cache and while it links
}

func (o *buildOutput) tail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return lastLines(bytes.Clone(o.text), 30)
}
