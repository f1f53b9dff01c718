package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/adrg/xdg"

	"fairlead/app/ownfile"
)

// ConfigFile returns the path of the user's file: fairlead/config.yaml in the XDG configuration directory (its
// equivalent on macOS and Windows). The file need not exist.
func ConfigFile() (string, error) {
	if !filepath.IsAbs(xdg.ConfigHome) {
		return "", errors.New("find the settings: neither XDG_CONFIG_HOME nor the home directory is known")
	}
	return filepath.Join(xdg.ConfigHome, "fairlead", "config.yaml"), nil
}

// goodName is the file in the state directory with the last valid text of the user's file.
const goodName = "config.good.yaml"

// UserFile is config.yaml as it was last read. Its methods may be called by any goroutine.
type UserFile struct {
	path string
	dir  string // the state directory, with a copy of the last valid text; empty for none
	keep bool   // whether the copy is written

	mutex           sync.Mutex // guards the fields below
	text            []byte     // as last read
	missing         bool
	config          Config // the content, or the last valid one
	problem         error
	readable        bool   // by other users of this machine
	unread          bool   // the file could not be read
	good            []byte // the text of config; nil if there is none
	mayLackPassword bool   // the invalid file may require a password that config lacks
}

// readUserFile reads the file at path, or uses the copy in dir if it is invalid now. With keep, a valid text is copied to
// dir.
func readUserFile(path, dir string, keep bool) *UserFile {
	f := &UserFile{path: path, dir: dir, keep: keep && dir != "", missing: true}
	f.Reload()
	f.fallBack()
	return f
}

// fallBack uses the last valid text of the file, from the copy in dir, if the file is invalid now.
func (f *UserFile) fallBack() {
	if f.problem == nil || f.dir == "" {
		return
	}
	if text, err := readBounded(filepath.Join(f.dir, goodName)); err == nil {
		if config, err := Parse(text, f.path); err == nil {
			f.config, f.good = config, text
			f.mayLackPassword = !f.unread && mayNeedPassword(f.text, f.good)
		}
	}
}

// mayNeedPassword reports whether text, which is invalid, may require a password that good does not.
func mayNeedPassword(text, good []byte) bool {
	return len(text) > maxConfig || !slices.Equal(passwordLines(text), passwordLines(good))
}

// passwordLines returns the lines that set a password.
func passwordLines(text []byte) []string {
	var about []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(" "+line, " #")
		line = strings.TrimSpace(line)
		if strings.Contains(line, "password") && line != "password: false" {
			about = append(about, line)
		}
	}
	return about
}

// Reload reads the file again, and reports whether its content or its problems have changed. While the file is
// invalid, its last valid content stays in force.
func (f *UserFile) Reload() bool {
	text, err := readBounded(f.path)
	good, changed := f.setText(text, err)
	changed = f.setReadable(readableByOthers(f.path)) || changed
	if good && f.keep {
		// If the copy cannot be written, that only matters when the file becomes invalid, and writes of the state
		// report errors of the disk.
		_ = replace(filepath.Join(f.dir, goodName), text)
	}
	return changed
}

// setReadable records whether other users can read the file, and reports whether that is a change.
func (f *UserFile) setReadable(readable bool) (changed bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	changed = readable != f.readable
	f.readable = readable
	return changed
}

// setText applies the result of reading the file. It reports whether the text is new and valid, and whether
// anything has changed.
func (f *UserFile) setText(text []byte, err error) (good, changed bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing:
		text, err = nil, nil
	case err != nil:
		changed = f.problem == nil || f.problem.Error() != err.Error()
		f.problem, f.text, f.missing, f.unread = err, nil, false, true
		f.mayLackPassword = f.mayLackPassword || f.good == nil
		return false, changed
	}
	if missing == f.missing && !f.unread && bytes.Equal(text, f.text) {
		return false, false
	}
	f.text, f.missing, f.unread = text, missing, false
	config, err := Parse(text, f.path)
	f.problem = err
	f.mayLackPassword = err != nil && mayNeedPassword(text, f.good)
	if err == nil {
		f.config, f.good = config, append([]byte{}, text...)
	}
	return err == nil, true
}

// File returns the file's path.
func (f *UserFile) File() string { return f.path }

// Problem returns what is wrong with the file now: Problems, or the error of reading it. It returns nil if
// nothing is.
func (f *UserFile) Problem() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.problem == nil && len(f.config.flaws) > 0 {
		return f.config.flaws
	}
	return f.problem
}

// content returns the content of the file, or its last valid content. If complete is false, the file may require a
// password that the content lacks.
func (f *UserFile) content() (c Config, complete bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.config, !f.mayLackPassword
}

func (f *UserFile) current() Config {
	c, _ := f.content()
	return c
}

// Check calls wrong for each thing that the file names, and returns its errors, each as a Problem, in the file's order.
// wrong returns nil if the thing can be used.
func (f *UserFile) Check(wrong func(Reference) error) []Problem {
	var problems []Problem
	for _, r := range f.current().references {
		if err := wrong(r); err != nil {
			problems = append(problems, Problem{f.path, r.Line, err.Error()})
		}
	}
	return problems
}

// Unknown returns the names under contexts that there does not report to exist, each as a Problem. A kubeconfig may lack
// a context today and have it tomorrow, so this is advice, not an error.
func (f *UserFile) Unknown(there func(name string) bool, closest func(name string) []string) []Problem {
	var problems []Problem
	for _, b := range f.current().contexts {
		if isGlob(b.pattern) || there(b.pattern) {
			continue
		}
		text := fmt.Sprintf("no context %q in the kubeconfig", quotable(b.pattern))
		if near := closest(b.pattern); len(near) > 0 {
			text += "; close to it: " + strings.Join(near, ", ")
		}
		problems = append(problems, Problem{f.path, b.line, text})
	}
	return problems
}

// readBounded reads a file up to the maximum size of config.yaml, plus one byte if it is larger.
func readBounded(path string) ([]byte, error) {
	file, err := ownfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	return text, nil
}
