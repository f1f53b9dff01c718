package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/filewatch"
)

// How long a change for the worse has to last.
const (
	goneFor   = 700 * time.Millisecond // before an entry counts as gone
	awayFor   = 3 * time.Second        // before a file counts as gone: editors and tools move one away to write it again
	brokenFor = 3 * time.Second        // before a file that cannot be read counts as broken
)

// recheckSoon is when a watch checks again after it found other files to watch.
const recheckSoon = 10 * time.Millisecond

// Watch reads the kubeconfig at path as Load does, calls changed with it, and calls changed again whenever it has
// changed, until ctx ends; then it returns nil. It calls changed from one goroutine. With since, which Load has
// returned for the same path, it calls changed only for what has changed since then; nil means that there is none.
//
// The files need not exist yet, nor their folders, and may be links, or be replaced by renaming. changed is called
// within a second of a change, and within two if an entry is gone. A file that is gone counts as it was before for
// three seconds; if no context is left then, it is among the Problems until it exists again. A file that cannot be read
// or parsed, such as a half-written one, counts as it was before for as long as it is so, and is among the Problems
// after three seconds, too. A file that keeps a context from being used, such as a missing token file, is watched as
// well.
func Watch(ctx context.Context, path string, since *Config, changed func(Config)) error {
	w := &watch{path: path, files: map[string]*watchedFile{}, changed: changed}
	if since != nil && since.merged != nil {
		for file, read := range since.merged.readings {
			w.files[file] = &watchedFile{latest: read, decided: read.from, effective: read, read: true}
		}
		w.notified, w.missing = summary(*since), missingFiles(*since)
	}
	w.run(ctx, false)
	return nil
}

// A watch is one call of Watch. Its goroutine owns it.
type watch struct {
	path     string
	changed  func(Config)
	files    map[string]*watchedFile
	notified string                 // the summary of what changed was last called with
	missing  map[string]fs.FileInfo // the files that keep contexts from being used, by path; nil for one that does not exist
}

func (w *watch) run(ctx context.Context, poll bool) {
	filewatch.Watcher{Files: w.watchedPaths, Look: w.check, Poll: poll}.Run(ctx)
}

// watchedPaths returns the kubeconfig files, and the files that keep contexts from being used.
func (w *watch) watchedPaths() []string {
	return slices.AppendSeq(w.paths(), maps.Keys(w.missing))
}

func (w *watch) paths() []string { return loadingRules(w.path).GetLoadingPrecedence() }

// check reads the files, calls changed if need be, and returns when to check again.
func (w *watch) check(event bool) (again time.Duration) {
	now := time.Now()
	different := false
	for _, file := range w.paths() {
		f := w.files[file]
		if f == nil {
			f = &watchedFile{}
			w.files[file] = f
		}
		another, wait := f.check(file, event, now)
		different = different || another
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	for file, before := range w.missing {
		info, err := os.Stat(file)
		if err != nil {
			info = nil
		}
		different = different || !SameFile(info, before)
	}
	if different && w.notify() {
		return recheckSoon // since they are watched from the next check on
	}
	return again
}

// notify calls changed if the files, merged, are different from before. It reports whether there are other files to
// watch now.
func (w *watch) notify() (others bool) {
	k := readKubeconfigBy(w.path, func(file string) reading {
		if f := w.files[file]; f != nil {
			return f.effective
		}
		return readFile(file) // KUBECONFIG has just changed
	}).kubeconfig()
	if s := summary(k); s != w.notified {
		w.notified = s
		w.changed(k)
	}
	before := w.missing
	w.missing = missingFiles(k)
	for file := range w.missing {
		if _, known := before[file]; !known {
			others = true
		}
	}
	return others
}

// missingFiles returns the files that keep contexts from being used, because they do not exist or are not what they
// should be.
func missingFiles(k Config) map[string]fs.FileInfo {
	files := map[string]fs.FileInfo{}
	for _, c := range k.Contexts {
		var bad *fault.Kubeconfig
		if !errors.As(c.Err, &bad) || bad.File == "" {
			continue
		}
		info, err := os.Stat(bad.File)
		if err != nil || errors.Is(bad.Err, fs.ErrNotExist) { // if it exists by now, that is a change
			info = nil
		}
		files[bad.File] = info
	}
	return files
}

// summary returns a text that is equal for two equal kubeconfigs.
func summary(k Config) string {
	var b strings.Builder
	for _, c := range k.Contexts {
		fmt.Fprintf(&b, "%q %q %q %t %v %v\n", c.Name, c.Fingerprint(), c.File, c.Current, c.Err, c.Warning)
	}
	for _, p := range k.Problems {
		fmt.Fprintf(&b, "%q\n", p.Error())
	}
	fmt.Fprintf(&b, "%q", k.Files)
	return b.String()
}
