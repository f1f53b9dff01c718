package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// Exposed returns what is wrong when other users of this machine can read the user's file, and a password is in it.
func (s *Settings) Exposed() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.readable || !s.config.hasPassword() {
		return nil
	}
	return Problem{File: s.file, Text: fmt.Sprintf("other users of this machine can read the password in it: chmod 600 %s", s.file)}
}

// hasPassword reports whether a password stands in the file.
func (c Config) hasPassword() bool {
	return c.defaults.hasPassword() || slices.ContainsFunc(c.contexts, func(b block) bool { return b.options.hasPassword() })
}

func (o Options) hasPassword() bool {
	return o.Password != nil && o.Password.Password != "" || o.APIProxy != nil && o.APIProxy.URL != nil && o.APIProxy.URL.User != nil
}

// readableByOthers reports whether the modes of a file and of its folder let others than its owner read it.
func readableByOthers(path string) bool {
	if runtime.GOOS == "windows" {
		return false // where modes say nothing of it
	}
	file, err := os.Stat(path)
	if err != nil {
		return false
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false
	}
	// Whoever reads it as one of its group, or as anybody, must be let through the folder as well.
	through := folder.Mode().Perm() & 0o011 << 2
	return file.Mode().Perm()&through != 0
}
