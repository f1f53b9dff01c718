package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// Exposed returns an error if the file contains a password and other users of this machine can read it.
func (f *UserFile) Exposed() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if !f.readable || !f.config.hasPassword() {
		return nil
	}
	return Problem{File: f.path, Text: fmt.Sprintf("other users of this machine can read the password in it: chmod 600 %s", f.path)}
}

// hasPassword reports whether the file contains a password.
func (c Config) hasPassword() bool {
	for _, u := range c.upstreams {
		if u.URL != nil && u.URL.User != nil {
			return true
		}
	}
	return c.defaults.hasPassword() || slices.ContainsFunc(c.contexts, func(b block) bool { return b.options.hasPassword() })
}

func (o Options) hasPassword() bool {
	return o.Password != nil && o.Password.Password != "" || o.APIProxy != nil && o.APIProxy.URL != nil && o.APIProxy.URL.User != nil
}

// readableByOthers reports whether the permissions of a file and of its directory let other users read it.
func readableByOthers(path string) bool {
	if runtime.GOOS == "windows" {
		return false // permissions do not show it there
	}
	file, err := os.Stat(path)
	if err != nil {
		return false
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false
	}
	// To read it as a member of its group, or as anyone, a user needs permission for the directory as well.
	through := folder.Mode().Perm() & 0o011 << 2
	return file.Mode().Perm()&through != 0
}
