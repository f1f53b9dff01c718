package filewatch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// maxLinks limits the symbolic links that are followed to one file, as the system does.
const maxLinks = 40

// affectingPaths returns the paths whose change can make file another one: every symbolic link that leads to it, and
// the file itself or the first part of its path that does not exist. Their folders have no link in them.
func affectingPaths(file string) []string {
	path, err := filepath.Abs(file)
	if err != nil {
		path = filepath.Clean(file)
	}
	var steps []string
	links := 0
	here := filepath.VolumeName(path) + string(filepath.Separator)
	rest := split(path[len(filepath.VolumeName(path)):])
	for len(rest) > 0 {
		next := filepath.Join(here, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			return append(steps, next)
		case info.Mode()&fs.ModeSymlink == 0:
			here = next
			continue
		}
		steps = append(steps, next)
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return steps
		}
		if filepath.IsAbs(target) {
			here = filepath.VolumeName(target) + string(filepath.Separator)
			target = target[len(filepath.VolumeName(target)):]
		}
		// The components are added one by one, so that ".." goes up from where a link led to.
		rest = append(split(target), rest...)
	}
	return append(steps, here)
}

func split(path string) (components []string) {
	for c := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if c != "" && c != "." {
			components = append(components, c)
		}
	}
	return components
}

// A folders has the folders being watched, and what each was when its watch began: another folder may get its name.
type folders map[string]fs.FileInfo

func (f folders) has(folder string) bool { return f[folder] != nil }

func (f folders) forget(notifier *fsnotify.Watcher, folder string) {
	delete(f, folder)
	_ = notifier.Remove(folder) // it may be gone already, and its watch with it
}

// update watches the wanted folders and no others. added reports whether new watches were needed, all whether every
// wanted folder is watched.
func (f folders) update(notifier *fsnotify.Watcher, wanted map[string]bool) (added, all bool) {
	for folder, was := range f {
		is, err := os.Stat(folder)
		if !wanted[folder] || err != nil || !os.SameFile(was, is) {
			f.forget(notifier, folder)
		}
	}
	all = true
	for folder := range wanted {
		if f.has(folder) {
			continue
		}
		is, err := os.Stat(folder)
		if err == nil {
			err = notifier.Add(folder)
		}
		if err != nil {
			all = false
			continue
		}
		f[folder], added = is, true
	}
	return added, all
}
