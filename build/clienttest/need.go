//go:build linux

package main

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed packages.txt
var packagesText string

// missing returns the packages whose programs or files are not on this machine, sorted.
func missing() []string {
	var packages []string
	for line := range strings.Lines(packagesText) {
		line, _, _ = strings.Cut(line, "#")
		field := strings.Fields(line)
		if len(field) != 2 || installed(field[0]) || slices.Contains(packages, field[1]) {
			continue
		}
		packages = append(packages, field[1])
	}
	slices.Sort(packages)
	return packages
}

// installed reports whether a program is on PATH or, for a path, which may be a pattern, whether the file exists.
func installed(what string) bool {
	if !strings.Contains(what, "/") {
		_, err := exec.LookPath(what)
		return err == nil
	}
	found, err := filepath.Glob(what)
	return err == nil && len(found) > 0
}

func installLine(packages []string) string {
	sudo := ""
	if os.Getuid() != 0 {
		sudo = "sudo "
	}
	return sudo + "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
}
