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
// system's temporary directory. Some browsers are confined to a directory of their own and have another /tmp.
func profileFolder(browser Browser) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", nil // then it has no directory there either
	}
	folder := ""
	if snap := snapOf(browser.Path); snap != "" {
		folder = filepath.Join(home, "snap", snap, "common")
	} else if strings.HasSuffix(filepath.Dir(browser.Path), "/flatpak/exports/bin") {
		folder = filepath.Join(home, ".var", "app", filepath.Base(browser.Path), "cache")
	}
	if folder == "" {
		return "", nil
	}
	return folder, os.MkdirAll(folder, 0o700)
}

var snapScript = regexp.MustCompile(`exec ` + snapFolder + `([a-z0-9-]+)`)

// snapOf returns the snap that a program is in, or "". Snaps are links to snapd's own program or, if a distribution has
// replaced a package with one, scripts that start it.
func snapOf(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Base(real) == "snap" {
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
