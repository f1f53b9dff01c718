//go:build !windows

package desktop

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// profileFolder returns the directory in which to create a profile so that the browser can write to it, or "" for the
// system's temporary directory. Browsers in a snap or a Flatpak can write only to a directory of their own, and have
// their own /tmp.
func profileFolder(browser Browser) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", nil // without a home, no browser has its own directory in it
	}
	dir := ""
	if snap := snapOf(browser.Path); snap != "" {
		dir = filepath.Join(home, "snap", snap, "common")
	} else if strings.HasSuffix(filepath.Dir(browser.Path), "/flatpak/exports/bin") {
		dir = filepath.Join(home, ".var", "app", filepath.Base(browser.Path), "cache")
	}
	if dir == "" {
		return "", nil
	}
	return dir, os.MkdirAll(dir, 0o700)
}

var snapScript = regexp.MustCompile(`exec ` + snapFolder + `([a-z0-9-]+)`)

// snapOf returns the snap that a program is in, or "". Snaps are links to snapd's own program or, if a distribution has
// replaced a package with one, scripts that start it.
func snapOf(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Base(target) == "snap" {
		return filepath.Base(path)
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, 16<<10))
	if err != nil || len(text) < 2 || string(text[:2]) != "#!" {
		return ""
	}
	if found := snapScript.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return ""
}
