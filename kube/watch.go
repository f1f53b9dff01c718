package kube

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long Watch waits.
const (
	writing    = 100 * time.Millisecond // after an event, for the ones that belong to it
	longest    = 500 * time.Millisecond // in all, where events do not end
	goneFor    = time.Second            // before a file or an entry counts as gone: some editors move a file away to write it anew
	brokenFor  = 3 * time.Second        // before a file that cannot be read counts as broken
	blindPoll  = time.Second            // where changes are not told by the system
	safetyPoll = 30 * time.Second       // where they are
)

// Watch reads the kubeconfig at path as Load does, calls changed with what it says, and calls it again whenever that
// becomes something else, until ctx ends; then it returns nil. It calls changed from one goroutine.
//
// The files need not be there yet, nor their folders, and may be links, or be replaced by renaming. A change is told
// within a second, one for the worse (a file that is gone, or lost an entry) within two. A file that cannot be
// understood, as one that is half-written, counts as it was before until it has been so for three seconds.
//
// Where the system tells of changes this costs nothing but a look at the files' dates twice a minute; on network file
// systems, and where the system has no watches left, they are looked at every second.
func Watch(ctx context.Context, path string, changed func(Kubeconfig)) error {
	w := &watch{path: path, files: map[string]*watchedFile{}, folders: folders{}}
	// Without it the files are polled.
	if notifier, err := fsnotify.NewWatcher(); err == nil {
		w.notifier = notifier
		defer notifier.Close()
	}
	return w.run(ctx, changed)
}

// A watch is one call of Watch. Its goroutine owns it.
type watch struct {
	path     string
	notifier *fsnotify.Watcher // nil: there is none
	folders  folders
	interest map[string]bool // paths whose events may matter
	blind    bool            // some file's changes are not told
	files    map[string]*watchedFile
	told     string // what was last told, see summary
}

func (w *watch) run(ctx context.Context, changed func(Kubeconfig)) error {
	var events chan fsnotify.Event
	var errs chan error
	if w.notifier != nil {
		events, errs = w.notifier.Events, w.notifier.Errors
	}
	var first time.Time // of the events that wait to be looked into; zero when none does
	timer := time.NewTimer(w.look(true, changed))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-events:
			if !w.concerns(event) {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(writing, max(0, longest-time.Since(first))))
		case <-errs:
			// Some events were lost.
			first = time.Now()
			timer.Reset(writing)
		case <-timer.C:
			timer.Reset(w.look(!first.IsZero(), changed))
			first = time.Time{}
		}
	}
}

// concerns tells whether an event may be about one of the files, and takes note of a folder that is no more.
func (w *watch) concerns(event fsnotify.Event) bool {
	name := filepath.Clean(event.Name)
	if w.folders.has(name) && event.Has(fsnotify.Remove|fsnotify.Rename) {
		w.folders.forget(w.notifier, name)
		return true
	}
	return w.interest[name]
}

// look reads the files, tells what became different, and says when to look again. Without an event only files whose
// dates changed are read.
func (w *watch) look(event bool, changed func(Kubeconfig)) (again time.Duration) {
	now := time.Now()
	again = safetyPoll
	files := loadingRules(w.path).GetLoadingPrecedence()
	w.follow(files)
	if w.blind {
		again = blindPoll
	}
	different := false
	for _, file := range files {
		f := w.files[file]
		if f == nil {
			f = &watchedFile{}
			w.files[file] = f
		}
		another, wait := f.look(file, event, now)
		different = different || another
		if wait > 0 {
			again = min(again, wait)
		}
	}
	if different {
		w.tell(changed)
	}
	return again
}

// tell calls changed if the files, taken together, say something else than before.
func (w *watch) tell(changed func(Kubeconfig)) {
	k := readKubeconfigBy(w.path, func(file string) ([]byte, error) {
		if f := w.files[file]; f != nil {
			return f.counts.data, f.counts.err
		}
		return readBounded(file) // KUBECONFIG names others since a moment ago
	}).kubeconfig()
	if s := summary(k); s != w.told {
		w.told = s
		changed(k)
	}
}

// follow watches the folders that the files are in, and those of the links on the way to them. It looks twice where
// that takes new watches: a folder may have been made before the one above it was watched.
func (w *watch) follow(files []string) {
	for range maxLinks {
		w.interest = map[string]bool{}
		wanted := map[string]bool{}
		w.blind = w.notifier == nil
		for _, file := range files {
			if file == "" {
				continue
			}
			for _, path := range trail(file) {
				w.interest[path] = true
				wanted[filepath.Dir(path)] = true
				w.blind = w.blind || isRemote(filepath.Dir(path))
			}
		}
		if w.notifier == nil {
			return
		}
		added, all := w.folders.watch(w.notifier, wanted)
		w.blind = w.blind || !all
		if !added {
			return
		}
	}
}

// summary is equal for two kubeconfigs that say the same.
func summary(k Kubeconfig) string {
	var b strings.Builder
	for _, c := range k.Contexts {
		fmt.Fprintf(&b, "%q %q %q %t %v\n", c.Name, c.Fingerprint(), c.File, c.Current, c.Err)
	}
	for _, p := range k.Problems {
		fmt.Fprintf(&b, "%q\n", p.Error())
	}
	fmt.Fprintf(&b, "%q", k.Files)
	return b.String()
}
